"""A journey as a picture of a terminal: plain SVG, whose lines appear one after the other where pictures move, and all at once where they don't."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from commonweal_cli.demo.report import Row

LINE, LEFT, TOP, WIDTH = 17, 16, 62, 1020
COLUMNS = (LEFT, LEFT + 26, LEFT + 480)  # where the mark, the step and what happened begin; times end at the right margin
PER_LINE = 0.15  # seconds until the next line appears; the calls themselves took milliseconds
STYLE = """<style>
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#d7dce2;white-space:pre}
.dim{fill:#8b949e}.yes{fill:#56d364}.no{fill:#ff7b72}.prompt{fill:#79c0ff}
@media (prefers-reduced-motion:no-preference){.row{animation:appear .2s both}}
@keyframes appear{from{opacity:0}}
</style>"""


def picture(site: str, rows: Sequence[Row]) -> str:
    """Return the picture of one site's journey: each row with what happened and its milliseconds, and how many were as they must be."""
    lines = [_line(number, row) for number, row in enumerate(rows)]
    good = sum(row.ok for row in rows)
    end = TOP + (len(rows) + 1) * LINE
    lines.append(_shown(len(rows), f'<text x="{LEFT}" y="{end}" class="prompt">{good} of {len(rows)} as they must be</text>'))
    height = end + 2 * LINE
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>The journey on site {escape(site)}: {good} of {len(rows)} as they must be</title>",
            STYLE,
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#0d1117"/>',
            *(f'<circle cx="{20 + 18 * n}" cy="18" r="6" fill="{colour}"/>' for n, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))),
            f'<text x="{LEFT}" y="{TOP - 16}"><tspan class="prompt">$</tspan> commonweal journey  <tspan class="dim"># site {escape(site)}</tspan></text>',
            *lines,
            "</svg>\n",
        ]
    )


def _line(number: int, row: Row) -> str:
    mark, step, _, got, milliseconds = row.cells()
    kind, (at, beside, result), y = "yes" if row.ok else "no", COLUMNS, TOP + number * LINE
    time = f'<text x="{WIDTH - LEFT}" y="{y}" class="dim" text-anchor="end">{milliseconds} ms</text>' if milliseconds else ""
    parts = f'<text x="{at}" y="{y}" class="{kind}">{"✓" if row.ok else "✗"}</text><text x="{beside}" y="{y}">{escape(step)}</text>'
    said = f'<text x="{result}" y="{y}" class="{"dim" if row.ok else "no"}">{escape(got)}</text>'
    return _shown(number, f"<title>{mark}</title>{parts}{said}{time}")


def _shown(number: int, inside: str) -> str:
    return f'<g class="row" style="animation-delay:{number * PER_LINE:.2f}s">{inside}</g>'
