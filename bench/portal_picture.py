"""The picture of the portal: which share of pages was there within how many milliseconds, and how long after the click the consumer was refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

COLOURS = ("#0b6e4f", "#d9902f", "#6a5acd")
LEFT, WIDE, TALL = 60.0, 320.0, 200.0


def spread(times: Sequence[float]) -> list[float]:
    """Return the percentiles 1 to 99, from which a curve is drawn."""
    ordered = sorted(times)
    return [round(ordered[min(len(ordered) - 1, len(ordered) * n // 100)], 1) for n in range(1, 100)]


def _text(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{said}</text>'


def curves(title: str, found: Mapping[str, Sequence[float]], left: float, top: float, most: float) -> list[str]:
    """Return one plot: milliseconds across, as far as `most`; upwards the share that took no longer."""
    out = [_text(left, top - 14, title, "head")]
    for step in range(5):
        x, y = left + WIDE * step / 4, top + TALL * (1 - step / 4)
        out.append(f'<line x1="{left:.1f}" y1="{y:.1f}" x2="{left + WIDE:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(_text(left - 6, y + 4, f"{step * 25} %", "small", "end"))
        out.append(_text(x, top + TALL + 18, f"{most * step / 4:g}", "small", "middle"))
    for n, (said, times) in enumerate(found.items()):
        spots = [(left + WIDE * min(time / most, 1), top + TALL * (1 - share / 100)) for share, time in enumerate(times, 1)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        out.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[n]}" stroke-width="2"/>')
        y = top + TALL + 42 + 20 * n
        out.append(f'<rect x="{left:.1f}" y="{y - 10:.1f}" width="12" height="12" fill="{COLOURS[n]}"/>')
        out.append(_text(left + 18, y, said))
    return out


def parts(series: Mapping[str, Mapping[str, Sequence[float]]]) -> tuple[float, list[str]]:
    """Return the height of the picture and what is in it."""
    pages = curves("200 people at once: a page was there within so many ms", series["times"], LEFT, 50, 400)
    denials = curves("From the click to the consumer's refusal, ms", series["denials"], LEFT + 400, 50, 100)
    return 50 + TALL + 42 + 20 * len(series["times"]), pages + denials
