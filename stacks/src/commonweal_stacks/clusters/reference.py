"""docs/reference/site-kinds.md, made from what the adapters say of themselves. Pure but for reading and writing that file.

python -m commonweal_stacks.clusters.reference [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from commonweal_api.generated import write_or_check
from commonweal_stacks.blueprint import CURRENT, REVISIONS
from commonweal_stacks.checkout import source
from commonweal_stacks.clusters import ADAPTERS, Declaration, Difference
from commonweal_stacks.clusters.kubeadm import SHARED
from commonweal_stacks.site import SiteConfig
from commonweal_stacks.site_kinds import BLOCKS, Kind, Part

HEAD = """\
# Kinds of site

<!-- Made by `python -m commonweal_stacks.clusters.reference`; edit what the adapters in stacks/src/commonweal_stacks/clusters say of themselves. -->

`kind` of a site's stack file ([site.md](../how-to/site.md)), how far each was checked, and what may differ between two of them. No cloud was ever
called: [cloud-site.md](../how-to/cloud-site.md) says what a platform team brings.
"""
WORDS = {
    "run": "**run**",
    "expanded": "**expanded**",
    "rendered": "rendered, **not checked** against the provider's definitions",
    "given": "nothing to render",
}
MEANING = """\
*run*: real clusters are made with it in the test runs. *expanded*: a real API server takes every object, strictly validated, by the provider's real
definitions, each is refused with a wrong field, and the real Cluster API core expands a Cluster of the class into objects that the definitions
take, too; the provider's controller never ran. *rendered*: kubeadm's objects pass their real definitions and core expands the class, but the
provider's own kinds stand there without a schema: nothing says that the provider would take them. The contract is what the labels of a
provider's definitions say, not what its API versions are called; where it was not checked, what the `metadata.yaml` in the provider's public sources says.
"""


def file() -> Path:
    """Return where the page is."""
    return source() / "docs" / "reference" / "site-kinds.md"


def page() -> str:
    """Return the page."""
    found = [ADAPTERS[kind].declaration for kind in get_args(Kind)]
    return "\n".join([HEAD, *_summary(found), "", MEANING, *_revisions(), *(line for each in found for line in _section(each)), *_shared()])


def _table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _summary(declarations: Sequence[Declaration]) -> list[str]:
    rows = []
    for each in declarations:
        provider = f"{each.provider.name} {each.provider.version}" if each.provider else ""
        contract = each.provider.contract if each.provider else ""
        rows.append([f"`{each.kind}`", each.summary, provider, contract, WORDS[each.evidence]])
    return _table(["kind", "what", "provider", "contract", "checked"], rows)


def _revisions() -> list[str]:
    rows = []
    for each in REVISIONS.values():
        sizes = "; ".join(f"{name}: {size.planes} x {size.plane}, {size.workers} x {size.worker}" for name, size in each.sizes.items())
        rows.append([f"`{each.revision}`" + (" (default)" if each.revision == CURRENT else ""), each.kubernetes, sizes])
    return ["## Blueprints", "", *_table(["`blueprint`", "Kubernetes", "`size`: control plane, workers"], rows), ""]


def _section(declaration: Declaration) -> list[str]:
    lines = [f"## {declaration.kind}", "", f"Checked: {declaration.checked}.", ""]
    if declaration.needs:
        lines += ["Needs:", "", *(f"- {each}" for each in declaration.needs), ""]
    keys = list(_keys(declaration.kind))
    if keys:
        lines += [*_table(["key", "", "default"], keys), ""]
    if declaration.variables:
        lines += [f"Variables that its class patches in: {', '.join(f'`{each}`' for each in declaration.variables)}.", ""]
    if declaration.infrastructure:
        lines += [f"Kinds that are the provider's own: {', '.join(declaration.infrastructure)}.", ""]
    return [*lines, *_differences(declaration.differences), *_programs(declaration.programs)]


def _keys(kind: Kind) -> Iterator[list[str]]:
    if kind == "adopted":
        yield ["`kubeconfig`", "needed", ""]
        return
    field = SiteConfig.model_fields[BLOCKS[kind]]
    block: type[Part] = next(each for each in get_args(field.annotation) if each is not type(None))
    for name, info in block.model_fields.items():
        shown: Any = "" if info.is_required() or info.default is None else f"`{info.default}`"
        yield [f"`{field.alias}.{info.alias or name}`", "needed" if info.is_required() else "may be left out", shown]


def _differences(differences: Sequence[Difference]) -> list[str]:
    """Return a table of places; those that say the same of several kinds of object share a row."""
    if not differences:
        return []
    rows: dict[tuple[str, str], list[str]] = {}
    for each in differences:
        start, node, rest = each.path.partition("nodeRegistration/")
        kinds = rows.setdefault((f"…/{node}{rest}" if node else start, each.why), [])
        kinds += [name for name in [each.kind.replace("*", "every")] if name not in kinds]
    shown = [[", ".join(kinds), f"`{place}`", why] for (place, why), kinds in rows.items()]
    return ["May differ:", "", *_table(["object", "place", "why"], shown), ""]


def _programs(differences: Sequence[Difference]) -> list[str]:
    """Return a table of settings that programs have for themselves; those of one program and one reason share a row."""
    if not differences:
        return []
    rows: dict[tuple[str, str], list[str]] = {}
    for each in differences:
        rows.setdefault((each.kind, each.why), []).append("all" if each.path == "*" else f"`{each.path}`")
    shown = [[f"`{program}`", ", ".join(settings), why] for (program, why), settings in rows.items()]
    return [
        "Its programs run with the blueprint's flags and files as everywhere, but for:",
        "",
        *_table(["program", "setting", "why"], shown),
        "",
    ]


def _shared() -> list[str]:
    head = "Two sites that kubeadm sets up differ in what their kinds declare above, and in:"
    return ["## Any two sites", "", head, "", *_differences(SHARED)[2:]]


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with `--check` say whether it is as it would be written."""
    return write_or_check({file(): page()}, arguments, "python -m commonweal_stacks.clusters.reference")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
