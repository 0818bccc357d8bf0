"""The figures of all rounds as a table of medians and as JSON."""

import datetime
import json
import os
import platform
import statistics
import subprocess


def number(value, unit):
    return f"{value:,.0f}" if value >= 1_000 or unit == "votes/s" else f"{value:.3g}"


def spread(values, unit):
    median, low, high = statistics.median(values), min(values), max(values)
    if len(values) == 1:
        return number(median, unit)
    return f"{number(median, unit)} ({number(low, unit)} to {number(high, unit)})"


def summary(row, rounds):
    """One row's figures; the ratio is of the two sides of a round, then the median of those."""
    ours = [pair[0] for pair in rounds]
    others = [pair[1] for pair in rounds if pair[1] is not None]
    ratios = [a / b for a, b in rounds if b is not None]
    result = {
        "row": row.name,
        "what": row.ours,
        "against": row.other,
        "unit": row.unit,
        "ours": ours,
        "other": others,
        "ratios": ratios,
        "target": row.target,
        "ours_median": statistics.median(ours),
        "other_median": statistics.median(others) if others else None,
        "ratio_median": statistics.median(ratios) if ratios else None,
    }
    result["reached"] = row.reached and bool(
        row.reached(result["ours_median"], result["ratio_median"])
    )
    return result


def line(result):
    unit = result["unit"]
    ratios = result["ratios"]
    return [
        result["what"],
        f"{spread(result['ours'], unit)} {unit}",
        f"{result['against']}: {spread(result['other'], unit)}" if result["other"] else "",
        f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
        if ratios
        else "",
        result["target"],
        {True: "yes", False: "NO", None: ""}[result["reached"]],
    ]


def text(results):
    head = ["what", "median (lowest to highest)", "against", "ratio", "target", "reached"]
    return aligned([head, *(line(result) for result in results)])


def aligned(lines):
    """A table whose columns stand below each other; its first line is the head."""
    widths = [max(len(cells[at]) for cells in lines) for at in range(len(lines[0]))]
    rows = [
        " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in lines
    ]
    rows.insert(1, "-|-".join("-" * width for width in widths))
    return "\n".join(rows)


def revision(root):
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def save(results, folder, root, settings, prefix="", more=None):
    """Writes the text and the JSON, and gives the text; `more` is for the JSON alone."""
    when = datetime.datetime.now(datetime.UTC)
    folder.mkdir(exist_ok=True)
    about = {
        "at": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        "revision": revision(root),
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        **settings,
    }
    table = "\n".join(f"{name}: {value}" for name, value in about.items()) + "\n\n" + text(results)
    stem = folder / f"{prefix}{when:%Y%m%d-%H%M%S}"
    stem.with_suffix(".txt").write_text(table + "\n")
    stem.with_suffix(".json").write_text(
        json.dumps({**about, "rows": results, **(more or {})}, indent=1) + "\n"
    )
    return table
