"""Draw docs/pictures/layers.svg from the contracts of type `layers` in pyproject.toml, which `lint-imports` holds; `--check` fails when it drifted.

What stands higher imports what stands lower, never the other way round; what stands side by side knows nothing of each other.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from commonweal_api.generated import write_or_check

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "pictures" / "layers.svg"
WIDTH, LEFT, GAP, LINE, MOST = 960, 16, 14, 17, 118  # MOST: letters of a line across the whole picture
SAID = {
    "commonweal_cli": "what a person types, and the demonstration",
    "commonweal_local": "clusters on this machine",
    "commonweal_operator": "control plane: objects to plans",
    "commonweal_runtime": "data plane: what pods run",
    "commonweal_stacks": "infrastructure: sites as Pulumi programs",
    "commonweal_kube": "one client of the API server",
    "commonweal_api": "the kinds, plans, reasons; pure",
}
STYLE = (
    "<style>text{font:12px system-ui,sans-serif;fill:#222}.head{font:600 13px ui-monospace,monospace}.small{font-size:11px;fill:#555}"
    ".in{font:11px ui-monospace,monospace;fill:#333}</style>"
)

Floors = Sequence[Sequence[str]]


def floors(contract: Mapping[str, Any]) -> Floors:
    """Return what stands on each floor, the highest first."""
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def house(project: Mapping[str, Any]) -> tuple[Floors, Mapping[str, Floors]]:
    """Return the packages by floor, and the floors inside those that have some; floors of a folder deeper inside are not drawn."""
    layers = [contract for contract in project["tool"]["importlinter"]["contracts"] if contract["type"] == "layers"]
    whole = next(floors(contract) for contract in layers if "containers" not in contract)
    packages = {package for floor in whole for package in floor}
    inside = {container: floors(contract) for contract in layers for container in contract.get("containers", ()) if container in packages}
    return whole, inside


def wrapped(names: Sequence[str], letters: int) -> list[str]:
    """Return the names of one floor inside a package, broken into lines of at most so many letters."""
    lines = [""]
    for name in names:
        longer = f"{lines[-1]}  {name}".strip()
        lines = [*lines[:-1], longer] if len(longer) <= letters or not lines[-1] else [*lines, name]
    return lines


def box(package: str, inside: Floors, at: tuple[float, float], size: tuple[float, float], letters: int) -> list[str]:
    """Return one package: its name, what it is, and its floors from the highest down."""
    (x, y), (wide, tall) = at, size
    out = [f'<rect x="{x:.0f}" y="{y:.0f}" width="{wide:.0f}" height="{tall:.0f}" rx="6" fill="#eef5f1" stroke="#0b6e4f"/>']
    out.append(f'<text x="{x + 12:.0f}" y="{y + 20:.0f}" class="head">{escape(package)}</text>')
    out.append(f'<text x="{x + 12:.0f}" y="{y + 37:.0f}" class="small">{escape(SAID.get(package, ""))}</text>')
    row = y + 56
    for floor in inside:
        lines = wrapped(floor, letters)
        out.append(
            f'<rect x="{x + 8:.0f}" y="{row - 12:.0f}" width="{wide - 16:.0f}" height="{len(lines) * LINE:.0f}" fill="#fff" stroke="#cfe3d9"/>'
        )
        for text in lines:
            out.append(f'<text x="{x + 14:.0f}" y="{row:.0f}" class="in">{escape(text)}</text>')
            row += LINE
    return out


def drawn(project: Mapping[str, Any]) -> str:
    """Return the picture of the house."""
    whole, inside = house(project)
    parts, top = list[str](), LEFT * 1.0
    for floor in whole:
        wide = (WIDTH - 2 * LEFT - GAP * (len(floor) - 1)) / len(floor)
        letters = int(MOST / len(floor)) - 4
        tall = max(50 + LINE * sum(len(wrapped(each, letters)) for each in inside.get(package, [])) for package in floor)
        for n, package in enumerate(floor):
            parts += box(package, inside.get(package, []), (LEFT + n * (wide + GAP), top), (wide, tall), letters)
        top += tall + GAP
    said = "What stands higher imports what stands lower, never the other way round; side by side they know nothing of each other."
    parts.append(f'<text x="{LEFT}" y="{top + 8:.0f}" class="small">{said}</text>')
    body = "\n".join([STYLE, '<rect width="100%" height="100%" fill="#fff"/>', *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 20:.0f}" role="img">\n{body}\n</svg>\n'


def main(arguments: list[str]) -> int:
    """Draw it, or with --check say whether it is as it would be drawn."""
    wanted = drawn(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    return write_or_check({PICTURE: wanted}, arguments, "python docs/tools/layers.py")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
