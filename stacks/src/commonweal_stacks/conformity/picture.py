"""Two trees side by side, as one HTML file without scripts: a person sees at a glance which branch differs, and reads the leaf. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from commonweal_stacks.conformity.examine import Examined
from commonweal_stacks.conformity.probes import Verdict
from commonweal_stacks.conformity.tree import ABSENT, LeafDifference, differences

SHOWN: Final = 200
STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;color:#222;background:#fff}
code{font:12.5px ui-monospace,monospace;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid #ddd}
.tree{border-left:3px solid #9aa;padding-left:1rem;margin:.4rem 0}
.same{border-color:#2a7f4f}.other{border-color:#b3261e}
.mark{display:inline-block;min-width:1.4em;font-weight:700}.same>summary .mark,.holds{color:#2a7f4f}.other>summary .mark,.broken{color:#b3261e}.unknown{color:#666}
summary{cursor:pointer}.root{font-weight:600}
@media(prefers-color-scheme:dark){body{background:#16181c;color:#e6e6e6}td,th{border-color:#444}.same>summary .mark,.holds{color:#6fcf97}.other>summary .mark,.broken{color:#ff8a80}.unknown{color:#aaa}}
"""


def page(left: Examined, right: Examined) -> str:
    """Return the page: the verdict, both roots, a branch per layer with its differing leaves, and the probes of both sites."""
    found = differences(left.digest, right.digest)
    alike = not found
    verdict = "are alike" if alike else f"differ in {len(found)} {'leaf' if len(found) == 1 else 'leaves'}"
    title = f"{left.site} and {right.site} {verdict}"
    names = sorted({*left.digest.layers, *right.digest.layers})
    branches = "".join(_branch(name, left, right, [d for d in found if d.layer == name]) for name in names)
    roots = "".join(f"<tr><th>{escape(each.site)}</th><td class='root'><code>{each.digest.root}</code></td></tr>" for each in (left, right))
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{'✓' if alike else '✗'} {escape(title)}</h1>"
        f"<table>{roots}</table><section aria-label='tree'>{branches}</section>{_probes(left, right)}</body></html>\n"
    )


def _branch(name: str, left: Examined, right: Examined, found: Sequence[LeafDifference]) -> str:
    ours, theirs = left.digest.roots.get(name, ABSENT), right.digest.roots.get(name, ABSENT)
    count = len(left.digest.layers.get(name, {}))
    state = "other" if found else "same"
    mark, opened = ("✗", " open") if found else ("✓", "")
    text = f"{len(found)} of {count} leaves differ" if found else f"{count} leaves, all alike"
    head = f"<summary><span class='mark'>{mark}</span><strong>{escape(name)}</strong>: {text}</summary>"
    hashes = f"<div><code>{ours[:24]}…</code> | <code>{theirs[:24]}…</code></div>"
    return f"<details class='tree {state}'{opened}>{head}{hashes}{_leaves(left.site, right.site, found)}</details>"


def _leaves(left: str, right: str, found: Sequence[LeafDifference]) -> str:
    if not found:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(d.path)}</code></td><td><code>{_shown(d.left)}</code></td><td><code>{_shown(d.right)}</code></td></tr>"
        for d in found[:SHOWN]
    )
    more = f"<p>and {len(found) - SHOWN} more</p>" if len(found) > SHOWN else ""
    return f"<table><tr><th>leaf</th><th>{escape(left)}</th><th>{escape(right)}</th></tr>{rows}</table>{more}"


def _shown(value: object) -> str:
    return escape(ABSENT if value == ABSENT else json.dumps(value, ensure_ascii=False))


def _probes(left: Examined, right: Examined) -> str:
    names = sorted({*left.verdicts, *right.verdicts})
    rows = "".join(f"<tr><th>{escape(name)}</th>{_cell(left.verdicts, name)}{_cell(right.verdicts, name)}</tr>" for name in names)
    head = f"<tr><th>promise</th><th>{escape(left.site)}</th><th>{escape(right.site)}</th></tr>"
    return f"<h2>What was tried</h2><table>{head}{rows}</table>"


def _cell(verdicts: Mapping[str, Verdict], name: str) -> str:
    verdict = verdicts.get(name)
    if verdict is None:
        return f"<td class='unknown'>{ABSENT}</td>"
    kind, mark = ("broken", "✗") if verdict.broken else ("holds", "✓") if verdict.known else ("unknown", "?")
    detail = f"<br><small>{escape(verdict.detail)}</small>" if verdict.detail else ""
    return f"<td><span class='mark {kind}'>{mark}</span>{escape(verdict.leaf)}{detail}</td>"
