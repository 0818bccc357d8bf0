"""The figures as tables: text for the terminal and `results/`, Markdown for the page."""

from lab import chart
from lab.designs import BASE, DESIGNS
from lab.turn import FAULTS

# Above this share of the processors for other programs, speeds are no result.
OTHER_WORK_MAX = 0.05
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def number(value):
    if value is None:
        return "n/a"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def spread(values, unit=""):
    if values is None:
        return "n/a"
    if values["lowest"] == values["highest"]:
        return number(values["median"]) + unit
    return (
        f"{number(values['median'])}{unit} "
        f"({number(values['lowest'])} to {number(values['highest'])})"
    )


def percent(values):
    return "n/a" if values is None else f"{values['median']:.1%}"


def speed_table(results):
    head = [
        "design",
        "votes/s",
        "times (d)",
        "p99, ms",
        "p99 at quiet load, ms",
        "hottest partition",
        "writes a vote",
        "bytes to the cluster a vote",
    ]
    rows = []
    for design, one in measured(results):
        rows.append(
            [
                f"({design.letter}) {design.title}",
                spread(one["votes_per_second"]),
                spread(one["ratio"]),
                spread(one["p99_ms"]),
                spread(one["steady_p99_ms"]),
                percent(one["hottest_share"]),
                number(one["writes_per_vote"] and one["writes_per_vote"]["median"]),
                number(one["bytes_per_vote"] and one["bytes_per_vote"]["median"]),
            ]
        )
    return [head, *rows]


def fault_table(results):
    head = [
        "design",
        "acknowledged",
        "lost",
        "counted twice",
        *(f"{name}: lost / twice" for name in FAULTS),
        "no faults: lost / twice",
    ]
    rows = []
    for design, one in measured(results):
        faults, calm = one["faults"], one["without_faults"]
        by_fault = [
            f"{one['by_fault'][name]['lost']:,} / {one['by_fault'][name]['twice']:,}"
            for name in FAULTS
        ]
        rows.append(
            [
                f"({design.letter}) {design.title}",
                f"{faults['acknowledged']:,}",
                f"{faults['lost']:,}",
                f"{faults['twice']:,}",
                *by_fault,
                f"{calm['lost']:,} / {calm['twice']:,}",
            ]
        )
    return [head, *rows]


def measured(results):
    return [(design, results[design.name]) for design in DESIGNS if design.name in results]


def plain(table):
    widths = [max(len(cells[at]) for cells in table) for at in range(len(table[0]))]
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in table
    ]
    lines.insert(1, "-|-".join("-" * width for width in widths))
    return "\n".join(lines)


def markdown(table):
    lines = [f"| {' | '.join(cells)} |" for cells in table]
    lines.insert(1, "|" + " --- |" * len(table[0]))
    return "\n".join(lines)


def as_text(about, results):
    facts = "\n".join(f"{name}: {value}" for name, value in about.items())
    return (
        "\n\n".join(
            [
                facts,
                plain(speed_table(results)),
                plain(fault_table(results)),
                "\n".join(targets(results)),
            ]
        )
        + "\n"
    )


def targets(results):
    """What was promised of the batches, and whether it is so."""
    if "batches" not in results:
        return []
    ours = results["batches"]
    speed = ours["votes_per_second"]["median"]
    wrong = [
        ours[part][what] for part in ("faults", "without_faults") for what in ("lost", "twice")
    ]
    said = [
        f"batches, acknowledged votes/s: {speed:,.0f}, target >= 15,000: {yes(speed >= 15_000)}"
    ]
    if BASE in results:
        ratio = ours["ratio"]["median"]
        said.append(
            f"batches, times one row a ballot: {ratio:.1f}, target >= 10: {yes(ratio >= 10)}"
        )
    said.append(f"batches, lost or counted twice: {sum(wrong):,}, target 0: {yes(not sum(wrong))}")
    return said


def yes(reached):
    return "reached" if reached else "MISSED"


def svg(results):
    return chart.draw(
        [
            (
                f"({design.letter}) {design.title}",
                one["votes_per_second"],
                one["faults"]["acknowledged"],
                one["faults"]["lost"],
                one["faults"]["twice"],
                design.name == "batches",
            )
            for design, one in measured(results)
        ]
    )


def publish(about, results, docs):
    """Puts the figures into the page, between its two marks, and draws its chart."""
    page = docs / "designs.md"
    text = page.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"{page} does not say where the figures go")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    measured_at = (
        f"Measured at {about['at']}, revision `{about['revision']}`: rounds: {about['rounds']}; "
        f"{about['processors']} processors for everything (three Cassandra nodes of {about['heap']}"
        f" heap, two servers, the load with {about['connections']} connections). Medians, with the "
        f"lowest and the highest round in brackets; a ratio is of the two designs' turns in the "
        f"same round; the quiet load is {about['steady_rate']} votes a second."
    )
    # Figures of before this was measured were of a busy machine.
    if about.get("other_work", 1.0) > OTHER_WORK_MAX:
        measured_at += (
            " **Other programs kept the processors busy: the speeds are too low, and only "
            "what went wrong is worth reading.**"
        )
    parts = [
        "",
        measured_at,
        "",
        markdown(speed_table(results)),
        "",
        "Under faults, all rounds together:",
        "",
        markdown(fault_table(results)),
        "",
    ]
    page.write_text(before + BEGIN + "\n".join(parts) + END + after)
    (docs / "designs.svg").write_text(svg(results))
