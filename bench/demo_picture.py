"""The picture of a demonstration: its stages and one site's pods over time, and below who used the processor meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

LEFT, WIDTH, ROW = 300.0, 460.0, 18
COLOURS = ("#0b6e4f", "#b5482f", "#1d5b96", "#d9902f", "#7a5195", "#3aa17e", "#8a8a8a")
STAGE, SITE, POD = "#0b6e4f", "#3aa17e", "#d9902f"
AREA = 150.0


def text(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> str:
    """Return a piece of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(said)}</text>'


def bars(series: Mapping[str, Any], most: float, top: float) -> list[str]:
    """Return a row for each stage, each stage of a site's start and each pod, in the order in which they began."""
    out = []
    for n, (kind, row) in enumerate(rows(series)):
        x, wide = LEFT + WIDTH * row["at"] / most, max(1.0, WIDTH * row["seconds"] / most)
        colour = {"stage": STAGE, "site": SITE, "pod": POD}[kind]
        y = top + ROW * n
        out.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{ROW - 5}" fill="{colour}"/>')
        out.append(text(LEFT - 8, y + 10, f"{row['name']}: {row['seconds']:.1f} s", "small", "end"))
    return out


def rows(series: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what is drawn, stages first. Pure."""
    kinds = (("stage", "stages"), ("site", "sites"), ("pod", "pods"))
    return [(kind, row) for kind, key in kinds for row in sorted(series[key], key=lambda row: (row["at"], row["name"]))]


def end_of(series: Mapping[str, Any]) -> float:
    """Return when the last thing that is drawn is over, in seconds. Pure."""
    return float(max([series["firstRead"], *(row["at"] + row["seconds"] for _, row in rows(series))]))


def area(processor: Mapping[str, Any], most: float, top: float) -> list[str]:
    """Return the cores in use over time, one group upon the other."""
    groups: Mapping[str, Sequence[float]] = processor["groups"]
    width, cores = processor["width"], processor["cores"]
    length = max(len(used) for used in groups.values())
    below, out = [0.0] * length, []
    for (_, used), colour in zip(groups.items(), COLOURS, strict=False):
        above = [low + value for low, value in zip(below, used, strict=True)]
        spots = [(LEFT + WIDTH * min(most, n * width + width / 2) / most, n) for n in range(length)]
        path = [f"{x:.1f},{top + AREA * (1 - min(above[n], cores) / cores):.1f}" for x, n in spots]
        path += [f"{x:.1f},{top + AREA * (1 - min(below[n], cores) / cores):.1f}" for x, n in reversed(spots)]
        out.append(f'<polygon points="{" ".join(path)}" fill="{colour}"/>')
        below = above
    marks = {core: "1 core" if core == 1 else f"{core} cores" for core in range(cores + 1)}
    return out + [text(LEFT - 8, top + AREA * (1 - core / cores) + 4, said, "small", "end") for core, said in marks.items()]


def legend(processor: Mapping[str, Any], top: float) -> list[str]:
    """Return what the colours mean, with the processor seconds of each."""
    out = []
    for n, ((group, used), colour) in enumerate(zip(processor["groups"].items(), COLOURS, strict=False)):
        x, y = 60 + n % 2 * 370, top + n // 2 * 20
        out.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
        out.append(text(x + 18, y, f"{group}: {sum(used) * processor['width']:.0f} s of a core"))
    return out


def drawing(series: Mapping[str, Any], most: float) -> tuple[float, list[str]]:
    """Return the picture's height and its parts; `most` is the end of the time's axis, in seconds."""
    tall = ROW * len(rows(series))
    foot = 60 + tall
    out = [text(60, 30, "The demonstration from nothing running: its stages, and who used the processor", "head")]
    for step in range(7):
        x = LEFT + WIDTH * step / 6
        out.append(f'<line x1="{x:.1f}" y1="45" x2="{x:.1f}" y2="{foot + AREA + 10:.1f}" stroke="#ddd"/>')
        out.append(text(x, foot + AREA + 24, f"{most * step / 6:g} s", "small", "middle"))
    out += bars(series, most, 50)
    first = LEFT + WIDTH * series["firstRead"] / most
    out += area(series["processor"], most, foot)
    out.append(f'<line x1="{first:.1f}" y1="40" x2="{first:.1f}" y2="{foot + AREA + 10:.1f}" stroke="#b5482f" stroke-width="2"/>')
    across, anchor = (first + 6, "start") if first < 620 else (first - 6, "end")
    out.append(text(across, 44, f"first consented read, {series['firstRead']:.0f} s", "small", anchor))
    out += legend(series["processor"], foot + AREA + 50)
    return foot + AREA + 50 + 20 * ((len(series["processor"]["groups"]) + 1) // 2), out
