"""The five designs: what each is called and which letter it has in tables."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Design:
    letter: str
    name: str
    # As in tables and in the chart.
    title: str


DESIGNS = [
    Design("a", "memory", "each server counts in memory"),
    Design("b", "counter-row", "one counter a series"),
    Design("c", "suffix-counters", "counters, random suffix"),
    Design("d", "row-per-ballot", "one row a ballot"),
    Design("e", "batches", "batches (Landslide)"),
]
NAMES = [design.name for design in DESIGNS]
# What ratios are of: the only other design that can be right.
BASE = "row-per-ballot"
