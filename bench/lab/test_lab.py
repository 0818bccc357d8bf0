"""What could be wrong between a report and the page. Run with

PYTHONPATH=checks:bench python3 -m unittest lab.test_lab"""

import pathlib
import tempfile
import unittest
import xml.etree.ElementTree

from lab import chart, designs, figures, page, servers


def report(*choices, refused=None, verdict="different"):
    """A report of the load; choices are (acknowledged, unknown, counted)."""
    lines = [{"acknowledged": a, "unknown": u, "counted": c} for a, u, c in choices]
    check = {
        "verdict": verdict,
        "choices": lines,
        "lost": sum(max(0, a - c) for a, _, c in choices),
        "extra": sum(max(0, c - a - u) for a, u, c in choices),
    }
    acknowledged = sum(a for a, _, _ in choices)
    return {"check": check, "ballots": {"acknowledged": acknowledged, "refused": refused or {}}}


class Comparing(unittest.TestCase):
    def test_equal_is_neither_lost_nor_twice(self):
        found = figures.compare(report((5, 0, 5), (0, 0, 0), verdict="equal"))
        self.assertEqual(found, {"acknowledged": 5, "lost": 0, "twice": 0})

    def test_choices_do_not_make_up_for_each_other(self):
        found = figures.compare(report((10, 0, 8), (10, 0, 13)))
        self.assertEqual(found, {"acknowledged": 20, "lost": 2, "twice": 3})

    def test_a_ballot_in_doubt_may_be_counted_or_not(self):
        for counted, twice in ((10, 0), (12, 0), (13, 1)):
            self.assertEqual(figures.compare(report((10, 2, counted)))["twice"], twice)

    def test_a_count_may_have_gone_back(self):
        # A server that is killed takes votes with it that were counted before this run.
        self.assertEqual(figures.compare(report((10, 0, -30)))["lost"], 40)

    def test_what_could_not_be_checked_is_no_result(self):
        for bad in (report(verdict="not_checked"), report((1, 0, 1), refused={"x": 1})):
            self.assertRaises(figures.Disagreement, figures.compare, bad)

    def test_both_ways_to_count_must_agree(self):
        for part, name in (("check", "lost"), ("check", "extra"), ("ballots", "acknowledged")):
            bad = report((10, 0, 8))
            bad[part][name] += 1
            self.assertRaises(figures.Disagreement, figures.compare, bad)


class Partitions(unittest.TestCase):
    def test_the_hottest_is_of_both_servers_and_of_the_busiest_stretch(self):
        def write(stretch, partition, writes):
            return {"stretch": stretch, "partition": partition, "writes": writes}

        # In a stretch with hardly a write one partition always has most of them.
        writes = [
            write(1, 0, 3),
            write(2, 0, 20),
            write(2, 1, 30),
            write(2, 0, 40),
            write(2, 2, 10),
        ]
        self.assertEqual(figures.hottest(writes), 0.6)
        self.assertIsNone(figures.hottest([]))

    def test_bytes_are_those_to_the_nodes(self):
        said = """\
0 0 127.0.0.1:50000 127.0.20.1:9042 cubic bytes_sent:1000 bytes_acked:1000 segs_out:9
0 0 127.0.20.1:7000 127.0.20.2:40000 cubic bytes_sent:5 bytes_acked:5
0 0 127.0.20.1:40000 [::ffff:127.0.20.2]:7000 cubic bytes_sent:200
0 0 127.0.20.1:40000 127.0.20.20:7000 cubic bytes_sent:7
0 0 127.0.0.1:50000 127.0.20.1:9042 cubic
"""
        addresses = ["127.0.20.1", "127.0.20.2"]
        self.assertEqual(servers.bytes_to(said, addresses, (9042, 7000)), 1200)


def a_round(speed, lost=0, twice=0, hot=None):
    fault = {"acknowledged": 1000, "lost": lost, "twice": twice}
    return {
        "votes_per_second": speed,
        "p50_ms": 1.0,
        "p99_ms": 2.0,
        "steady_p50_ms": 1.0,
        "steady_p99_ms": 2.0,
        "hottest_share": hot,
        "writes_per_vote": None,
        "bytes_per_vote": None,
        "without_faults": {"acknowledged": 10, "lost": 0, "twice": 0},
        "faults": {name: dict(fault) for name in ("lost replies", "server killed", "node killed")},
    }


def all_results():
    base = [a_round(1000.0), a_round(500.0)]
    speeds = {
        "memory": 70_000,
        "counter-row": 400,
        "suffix-counters": 450,
        "row-per-ballot": 0,
        "batches": 20_000,
    }
    results = {}
    for name, speed in speeds.items():
        wrong = {} if name in ("row-per-ballot", "batches") else {"lost": 2, "twice": 7}
        rounds = [a_round(float(speed), hot=0.5, **wrong) for _ in base] if speed else base
        results[name] = figures.summary(rounds, base)
    return results


class OtherWork(unittest.TestCase):
    def test_it_is_what_was_spent_and_not_by_us(self):
        self.assertEqual(figures.other_work(busy=150.0, own=90.0, elapsed=100.0, processors=2), 0.3)
        # Clocks of different fineness.
        self.assertEqual(figures.other_work(busy=89.9, own=90.0, elapsed=100.0, processors=2), 0.0)

    def test_without_the_base_there_is_no_ratio(self):
        self.assertIsNone(figures.summary([a_round(5.0)], [])["ratio"])


class Results(unittest.TestCase):
    def test_ratios_are_of_the_same_round(self):
        ratio = all_results()["batches"]["ratio"]
        self.assertEqual(ratio, {"median": 30.0, "lowest": 20.0, "highest": 40.0})

    def test_faults_are_summed_up_over_rounds_and_kept_apart(self):
        one = all_results()["memory"]
        self.assertEqual(one["faults"], {"acknowledged": 6000, "lost": 12, "twice": 42})
        self.assertEqual(one["by_fault"]["node killed"]["twice"], 14)

    def test_a_missed_target_is_said(self):
        results = all_results()
        self.assertFalse(any("MISSED" in line for line in page.targets(results)))
        results["batches"]["faults"]["lost"] = 1
        results["batches"]["votes_per_second"]["median"] = 14_999
        missed = [line for line in page.targets(results) if "MISSED" in line]
        self.assertEqual(len(missed), 2, missed)

    def test_tables_have_every_design_and_no_hole(self):
        results = all_results()
        for table in (page.speed_table(results), page.fault_table(results)):
            self.assertEqual(len(table), 1 + len(designs.DESIGNS))
            self.assertEqual({len(cells) for cells in table}, {len(table[0])})

    def test_publishing_replaces_the_figures_and_nothing_else(self):
        about = {
            "at": "now",
            "revision": "abc",
            "rounds": 2,
            "processors": 2,
            "heap": "1G",
            "connections": 5,
            "steady_rate": 3,
            "other_work": 0.01,
        }
        with tempfile.TemporaryDirectory() as folder:
            docs = pathlib.Path(folder)
            docs.joinpath("designs.md").write_text(f"a\n{page.BEGIN}\nold\n{page.END}\nz\n")
            for _ in range(2):
                page.publish(about, all_results(), docs)
            text = docs.joinpath("designs.md").read_text()
            self.assertTrue(text.startswith(f"a\n{page.BEGIN}\n"), text)
            self.assertTrue(text.endswith(f"{page.END}\nz\n"), text)
            self.assertNotIn("old", text)
            self.assertNotIn("kept the processors busy", text)
            page.publish({**about, "other_work": 0.4}, all_results(), docs)
            self.assertIn("kept the processors busy", docs.joinpath("designs.md").read_text())
            self.assertIn("| (e) batches (Landslide) | 20,000 |", text)
            docs.joinpath("designs.md").write_text("no marks")
            self.assertRaises(SystemExit, page.publish, about, all_results(), docs)


class Chart(unittest.TestCase):
    def test_it_is_well_formed_and_within_its_frame(self):
        results = all_results()
        results["memory"]["votes_per_second"]["highest"] = 100_001.0
        root = xml.etree.ElementTree.fromstring(page.svg(results))
        width, height = map(float, root.get("viewBox").split()[2:])
        name = "{http://www.w3.org/2000/svg}"
        for one in root.iter(f"{name}text"):
            self.assertTrue(0 <= float(one.get("x")) < width and 0 < float(one.get("y")) < height)
        bars = list(root.iter(f"{name}rect"))
        self.assertEqual(len(bars), len(designs.DESIGNS))
        for bar in bars:
            self.assertLessEqual(float(bar.get("x")) + float(bar.get("width")), chart.BAR_END)

    def test_longer_bars_are_faster_designs(self):
        root = xml.etree.ElementTree.fromstring(page.svg(all_results()))
        bars = root.iter("{http://www.w3.org/2000/svg}rect")
        widths = [float(bar.get("width")) for bar in bars]
        a, b, c, d, e = widths
        self.assertTrue(a > e > d > c > b, widths)

    def test_it_says_what_went_wrong(self):
        self.assertEqual(chart.verdict(1000, 0, 0), ("every vote counted, once", "right"))
        self.assertEqual(chart.verdict(200_000, 4, 0), ("2.0 lost", "wrong"))
        self.assertEqual(chart.verdict(1000, 1, 20), ("100 lost, 2,000 twice", "wrong"))

    def test_names_are_text_and_not_markup(self):
        speed = {"median": 5.0, "lowest": 4.0, "highest": 6.0}
        drawn = chart.draw([("a <b> & c", speed, 1, 0, 0, False)])
        xml.etree.ElementTree.fromstring(drawn)


if __name__ == "__main__":
    unittest.main()
