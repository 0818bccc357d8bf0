"""The chart of the page: one line a design, a bar for its speed, a word for its honesty. SVG of the
standard library alone; legible on light and on dark paper."""

import math
from xml.sax.saxutils import escape

WIDTH, ROW, TOP, BOTTOM = 760, 44, 58, 44
NAME_END, BAR_START, BAR_END, WORDS_START = 212, 224, 524, 548
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.quiet { fill: #57606a; font-size: 11px; }
.head { font-weight: 600; }
.figure { font-weight: 600; font-variant-numeric: tabular-nums; }
.grid { stroke: #8c959f; stroke-opacity: .35; }
.bar { fill: #8c959f; }
.ours { fill: #1a7f5a; }
.range { stroke: #24292f; stroke-width: 1.5; }
.wrong { fill: #b35900; }
.right { fill: #1a7f5a; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .quiet { fill: #9198a1; }
  .bar { fill: #6e7681; }
  .ours { fill: #3fb68b; }
  .range { stroke: #e6edf3; }
  .wrong { fill: #f0a35e; }
  .right { fill: #3fb68b; }
}"""


def draw(rows):
    """`rows` are of (title, spread of votes/s, acknowledged, lost, twice, ours)."""
    step = ticks(max(speed["highest"] for _, speed, *_ in rows))
    most = step * math.ceil(max(speed["highest"] for _, speed, *_ in rows) / step)

    def x(value):
        return round(BAR_START + value / most * (BAR_END - BAR_START), 1)

    height = TOP + ROW * len(rows) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="title">',
        '<title id="title">Acknowledged votes a second of five designs, and how many votes each '
        "lost or counted twice under faults</title>",
        f"<style>{STYLE}</style>",
        text(BAR_START, 20, "acknowledged votes a second, no faults", "head"),
        text(WORDS_START, 20, "under faults, of 100,000 votes", "head"),
    ]
    bottom = TOP + ROW * len(rows)
    for value in range(0, most + 1, step):
        at = x(value)
        parts.append(f'<line class="grid" x1="{at}" y1="{TOP - 14}" x2="{at}" y2="{bottom}"/>')
        parts.append(text(at, TOP - 20, f"{value:,}", "quiet", "middle"))
    for number, row in enumerate(rows):
        parts += line(row, TOP + ROW * number, x)
    parts.append(
        text(
            8,
            bottom + 22,
            "The thin line spans the lowest and the highest round. Lost and "
            "counted twice are net by choice: the least that went wrong.",
            "quiet",
        )
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def ticks(most):
    """A round distance between two lines, so that there are three to six."""
    decade = 10 ** math.floor(math.log10(most))
    return next(step for step in (decade // 4, decade // 2, decade, decade * 2) if 5 * step >= most)


def line(row, top, x):
    title, speed, acknowledged, lost, twice, ours = row
    middle = top + ROW // 2
    end = x(speed["median"])
    span = f'x1="{x(speed["lowest"])}" y1="{middle}" x2="{x(speed["highest"])}" y2="{middle}"'
    yield text(NAME_END, middle + 5, title, "head" if ours else "", "end")
    yield (
        f'<rect class="{"ours" if ours else "bar"}" x="{BAR_START}" y="{middle - 11}" '
        f'width="{max(1.0, round(end - BAR_START, 1))}" height="22" rx="2"/>'
    )
    yield f'<line class="range" {span}/>'
    # Beside the bar, or above its end where there is no room.
    yield text(
        min(x(speed["highest"]) + 6, BAR_END - 44),
        middle - 13 if end > BAR_END - 50 else middle + 5,
        f"{speed['median']:,.0f}",
        "figure",
    )
    yield text(WORDS_START, middle + 5, *verdict(acknowledged, lost, twice))


def verdict(acknowledged, lost, twice):
    """What to say of a design's counts, and in which colour."""
    if not lost and not twice:
        return "every vote counted, once", "right"
    said = [
        f"{share(amount, acknowledged)} {word}"
        for amount, word in ((lost, "lost"), (twice, "twice"))
        if amount
    ]
    return ", ".join(said), "wrong"


def share(amount, acknowledged):
    of_them = amount * 100_000 / max(1, acknowledged)
    return f"{of_them:,.0f}" if of_them >= 10 else f"{of_them:.1f}"


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'
