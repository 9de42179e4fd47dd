"""Draw docs/pictures/*.svg from bench/results/*.json; `--check` fails when they drifted. No point is placed by hand."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import portal_picture
import sources_picture
from demo_picture import drawing, end_of

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
COLOURS = {"door": "#0b6e4f", "bare": "#8a8a8a"}
BARS = {"bare": "#8a8a8a", "deferred": "#0b6e4f", "durable": "#3aa17e", "naive": "#b5482f", "filter": "#d9902f"}
SAID = {
    "bare": "bare read",
    "deferred": "enforced, audit not waited for",
    "durable": "enforced, durable audit",
    "naive": "naive: Cedar per request, own audit insert",
    "filter": "rows filtered in the application, no audit",
}
FLEET = {
    "up_seconds": "`pulumi up` of so many sites, seconds",
    "second_seconds": "the second `pulumi up`, seconds",
    "memory_mib": "memory of everything but Pulumi, MiB",
    "writes": "writes that the API server took",
}
STYLE = "<style>text{font:12px system-ui,sans-serif;fill:#222}.small{font-size:11px;fill:#555}.head{font-weight:600;font-size:14px}</style>"
PAPER = '<rect width="100%" height="100%" fill="#fff"/>'


@dataclass(frozen=True)
class Panel:
    """A plot in a corner of the picture, `width` by `height`; `place` has its x axis logarithmic."""

    left: float
    top: float
    width: float
    height: float

    def place(self, x: float, y: float, xs: Sequence[float], most: float) -> tuple[float, float]:
        """Return where a reading stands."""
        low, high = math.log10(min(xs)), math.log10(max(xs))
        across = (math.log10(x) - low) / (high - low) if high > low else 0.5
        return self.left + across * self.width, self.top + self.height * (1 - y / most)


def text(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> str:
    """Return a piece of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{said}</text>'


def line(x1: float, y1: float, x2: float, y2: float) -> str:
    """Return a thin line of the grid."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def nice(most: float) -> float:
    """Return a round number not below `most`, for the top of an axis."""
    unit = 10 ** math.floor(math.log10(most))
    return next(unit * step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if unit * step >= most)


def plot(panel: Panel, rows: Sequence[Mapping[str, float]], over: str, read: str) -> list[str]:
    """Return one plot: median ms of a read through the door and of the bare read, over people or agreements."""
    xs, most = [row[over] for row in rows], nice(max(row[f"{way}_{read}"] for row in rows for way in COLOURS))
    out = [text(panel.left, panel.top - 12, f"{'point read' if read == 'point' else 'page of 100'}, ms, by {over}", "head")]
    for step in range(5):
        _, y = panel.place(xs[0], most * step / 4, xs, most)
        out += [line(panel.left, y, panel.left + panel.width, y), text(panel.left - 6, y + 4, f"{most * step / 4:g}", "small", "end")]
    for x in xs:
        across, _ = panel.place(x, 0, xs, most)
        out.append(text(across, panel.top + panel.height + 18, f"{x:,}", "small", "middle"))
    for way, colour in COLOURS.items():
        spots = [panel.place(row[over], row[f"{way}_{read}"], xs, most) for row in rows]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in spots]
    return out


def growth(result: Mapping[str, Any]) -> str:
    """Return the picture of growth."""
    parts = [STYLE, PAPER]
    for column, over in enumerate(("people", "agreements")):
        for row, read in enumerate(("point", "page")):
            parts += plot(Panel(60 + column * 400, 50 + row * 230, 320, 150), result["series"][over], over, read)
    for n, (way, said) in enumerate({"door": "through the agreement's door, audit included", "bare": "bare read of the same rows"}.items()):
        parts += [f'<rect x="{60 + n * 330}" y="476" width="12" height="12" fill="{COLOURS[way]}"/>', text(78 + n * 330, 487, said)]
    return picture(800, 520, [*parts, text(60, 510, about(result), "small")])


def shares(result: Mapping[str, Any]) -> str:
    """Return the picture of rates."""
    rates: Mapping[str, Mapping[str, float]] = result["series"]["shares"]
    most = nice(max(v for kinds in rates.values() for v in kinds.values()))
    parts = [STYLE, PAPER, text(60, 30, "Requests per second, as a share of the bare read on the same server", "head")]
    for step in range(5):
        y = 50 + 200 * (1 - step / 4)
        parts += [line(60, y, 760, y), text(54, y + 4, f"{most * step / 4:g}", "small", "end")]
    for group, (where, kinds) in enumerate(rates.items()):
        for n, (kind, value) in enumerate(kinds.items()):
            x, tall = 85 + group * 235 + n * 38, 200 * value / most
            parts.append(f'<rect x="{x}" y="{250 - tall:.1f}" width="32" height="{tall:.1f}" fill="{BARS[kind]}"/>')
            parts.append(text(x + 16, 245 - tall, f"{value:.2f}", "small", "middle"))
        parts.append(text(85 + group * 235 + 95, 270, where, "", "middle"))
    for n, (kind, said) in enumerate(SAID.items()):
        x, y = 60 + n % 2 * 350, 300 + n // 2 * 20
        parts += [f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{BARS[kind]}"/>', text(x + 18, y, said)]
    return picture(800, 380, [*parts, text(60, 370, about(result), "small")])


def fleet(result: Mapping[str, Any]) -> str:
    """Return the picture of a fleet's growth: what each measure is for few sites and for many, and the parts of one site's run."""
    rows, parts = result["series"]["fleet"], [STYLE, PAPER]
    for n, (key, said) in enumerate(FLEET.items()):
        parts += growing(Panel(60 + n % 2 * 400, 50 + n // 2 * 230, 320, 150), rows, key, said)
    parts.append(text(60, 500, "`pulumi up` of one site from nothing, seconds by part", "head"))
    whole, at = sum(result["series"]["site"].values()) or 1.0, 60.0
    for n, (part, seconds) in enumerate(result["series"]["site"].items()):
        wide, colour = 700 * seconds / whole, list(BARS.values())[n % len(BARS)]
        parts.append(f'<rect x="{at:.1f}" y="514" width="{wide:.1f}" height="18" fill="{colour}"/>')
        x, y = 60 + n % 2 * 350, 556 + n // 2 * 20
        parts += [f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>', text(x + 18, y, f"{part}: {seconds:g} s")]
        at += wide
    return picture(800, 630, [*parts, text(60, 616, about(result), "small")])


def growing(panel: Panel, rows: Sequence[Mapping[str, float]], key: str, said: str) -> list[str]:
    """Return one plot over the number of sites."""
    xs, most = [row["sites"] for row in rows], nice(max([1e-9, *(row[key] for row in rows)]))
    out = [text(panel.left, panel.top - 12, said, "head")]
    for step in range(5):
        _, y = panel.place(xs[0], most * step / 4, xs, most)
        out += [line(panel.left, y, panel.left + panel.width, y), text(panel.left - 6, y + 4, f"{most * step / 4:g}", "small", "end")]
    # In proportion, unlike the others: the question is whether it grows faster than the fleet does.
    spots = [(panel.left + panel.width * row["sites"] / max(xs), panel.place(row["sites"], row[key], xs, most)[1]) for row in rows]
    out.append(
        f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in spots)}" fill="none" stroke="{COLOURS["door"]}" stroke-width="2"/>'
    )
    for row, (x, y) in zip(rows, spots, strict=True):
        out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{COLOURS["door"]}"/>')
        out.append(text(x, panel.top + panel.height + 18, f"{row['sites']:,}", "small", "middle"))
    return out


def move(result: Mapping[str, Any]) -> str:
    """Return the picture of a move: its steps on one scale, red while uses were refused."""
    series, parts = result["series"], [STYLE, PAPER, text(60, 30, "A department moves: its steps, seconds from the command", "head")]
    total, moments = series["totalSeconds"], series["moments"]
    most, tall = nice(total), 22 * len(series["steps"])
    for step in range(5):
        x = 300 + 460 * step / 4
        parts += [line(x, 45, x, 50 + tall), text(x, 66 + tall, f"{most * step / 4:g}", "small", "middle")]
    for n, step in enumerate(series["steps"]):
        closed = moments["frozen"] <= step["at"] < moments["opened"]
        x, wide = 300 + 460 * step["at"] / most, max(1.0, 460 * step["seconds"] / most)
        colour = BARS["naive" if closed else "deferred"]
        parts.append(f'<rect x="{x:.1f}" y="{50 + 22 * n}" width="{wide:.1f}" height="16" fill="{colour}"/>')
        parts.append(text(290, 62 + 22 * n, f"{step['name']}: {step['seconds']:.1f} s", "", "end"))
    for n, (kind, said) in enumerate({"deferred": "uses are answered", "naive": "uses are refused"}.items()):
        parts += [
            f'<rect x="{60 + n * 200}" y="{80 + tall}" width="12" height="12" fill="{BARS[kind]}"/>',
            text(78 + n * 200, 91 + tall, said),
        ]
    return picture(800, 125 + tall, [*parts, text(60, 115 + tall, about(result), "small")])


def demo(result: Mapping[str, Any]) -> str:
    """Return the picture of the demonstration: stages, pods and processor time, over as much time as its last stage takes."""
    series = result["series"]
    height, parts = drawing(series, 6 * math.ceil(end_of(series) / 6))
    return picture(800, int(height) + 30, [STYLE, PAPER, *parts, text(60, height + 10, about(result), "small")])


def sources(result: Mapping[str, Any]) -> str:
    """Return the picture of loads."""
    height, parts = sources_picture.parts(result["series"])
    return picture(800, int(height) + 30, [STYLE, PAPER, *parts, text(60, height + 10, about(result), "small")])


def portal(result: Mapping[str, Any]) -> str:
    """Return the picture of the portal."""
    height, parts = portal_picture.parts(result["series"])
    return picture(800, int(height) + 30, [STYLE, PAPER, *parts, text(60, height + 10, about(result), "small")])


def about(result: Mapping[str, Any]) -> str:
    """Return what was measured, when and where."""
    return f"{result['command']}, {result['date']}, {result['machine']}"


def picture(width: int, height: int, parts: Sequence[str]) -> str:
    """Return a whole SVG file."""
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n{body}\n</svg>\n'


def drawn(results: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return every picture by its file name."""
    data = results.get("data")
    found = {"data-growth.svg": growth(data), "data-rates.svg": shares(data)} if data is not None and "series" in data else {}
    others = {
        "fleet": ("fleet-growth.svg", fleet),
        "move": ("move.svg", move),
        "demo": ("demo.svg", demo),
        "sources": ("sources.svg", sources),
        "portal": ("portal.svg", portal),
    }
    return found | {file: draw(results[name]) for name, (file, draw) in others.items() if "series" in results.get(name, {})}


def main(arguments: list[str]) -> int:
    """Write the pictures, or with --check say whether they are true of the results."""
    results = {file.stem: json.loads(file.read_text()) for file in sorted((ROOT / "bench" / "results").glob("*.json"))}
    wanted = drawn(results)
    if "--check" in arguments:
        drifted = [name for name, svg in wanted.items() if not (PICTURES / name).exists() or (PICTURES / name).read_text() != svg]
        if drifted:
            print(f"docs/pictures does not show what bench/results holds ({', '.join(drifted)}); run `python bench/pictures.py`.")
        return int(bool(drifted))
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, svg in wanted.items():
        (PICTURES / name).write_text(svg)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
