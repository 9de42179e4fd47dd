"""The picture of loads: rows a second beside COPY, and one load's time a row by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLOURS = ("#0b6e4f", "#3aa17e", "#8fcdb4", "#d9902f", "#b5482f", "#6a5acd", "#8a8a8a", "#cccccc")
LOAD, RIVAL = COLOURS[0], "#8a8a8a"


def _text(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{said}</text>'


def _bar(x: float, y: float, wide: float, tall: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(wide, 0.5):.1f}" height="{tall}" fill="{colour}"/>'


def rates(runs: Sequence[Mapping[str, Any]], top: float) -> tuple[float, list[str]]:
    """Return where the bars end, and the bars: COPY and the load of each run, on one scale."""
    most = max(run[key] for run in runs for key in ("rival", "rate"))
    out, y = [_text(60, top, "Rows a second: COPY between the two servers (grey), the load (green), and its share", "head")], top + 14
    for run in runs:
        out.append(_text(290, y + 14, f"{run['kind']}, {run['rows']:,} rows, {run['bad']}", "", "end"))
        out += [_bar(300, y, 400 * run["rival"] / most, 8, RIVAL), _bar(300, y + 9, 400 * run["rate"] / most, 8, LOAD)]
        out.append(_text(306 + 400 * max(run["rate"], run["rival"]) / most, y + 14, f"{run['rate']:,.0f} = {run['ratio']:.2f}", "small"))
        y += 24
    return y, out


def steps(series: Mapping[str, Mapping[str, float]], top: float) -> tuple[float, list[str]]:
    """Return where the steps end, and the steps of each kind of source as parts of one bar."""
    most = max(sum(found.values()) for found in series.values())
    out, y, names = (
        [_text(60, top, "One load without bad rows, microseconds a row by step", "head")],
        top + 14,
        list(next(iter(series.values()))),
    )
    for kind, found in series.items():
        out.append(_text(150, y + 14, kind, "", "end"))
        x = 160.0
        for name, colour in zip(names, COLOURS, strict=False):
            wide = 560 * found[name] / most
            out.append(_bar(x, y, wide, 18, colour))
            x += wide
        y += 26
    for n, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        x, at = 60 + n % 2 * 360, y + 20 + n // 2 * 20
        values = ", ".join(f"{found[name]:.1f}" for found in series.values())
        out += [_bar(x, at - 10, 12, 12, colour), _text(x + 18, at, f"{name}: {values}")]
    return y + 20 * (len(names) // 2 + 2), out


def parts(series: Mapping[str, Any]) -> tuple[float, list[str]]:
    """Return the height of the picture and what is in it."""
    y, first = rates(series["runs"], 30)
    end, second = steps(series["steps"], y + 24)
    return end, first + second
