"""The reference page of the rules."""

from __future__ import annotations

from commonweal_api.lockin.places import PLACES
from commonweal_api.lockin.rules import Rule, rules


def lock_in_page() -> str:
    """Return the page on every rule: what it finds, where, why, the remedy, and what it costs."""
    parts = [
        "<!-- Made by `python -m commonweal_api.generate`; change crds/src/commonweal_api/lockin/rules.yaml, not this page. -->\n",
        "# Rules on lock-in\n",
        "How they are used, and how to be exempted: [how-to](../how-to/lock-in.md). Deny: refused in departments' namespaces; Warn: let through with a warning.",
        "The weight is what the first object costs of a score of 100.\n",
        "| rule | action | weight | finds | because | do instead |",
        "|---|---|---|---|---|---|",
        *(f"| [`{r.id}`](#{r.id}) | {r.action} | {r.weight} | {r.what} | {r.why} | {r.remedy} |" for r in rules()),
        "",
    ]
    return "\n".join([*parts, *(_details(rule) for rule in rules())])


def _details(rule: Rule) -> str:
    where = ", ".join(f"`{PLACES[name].path}`{' (of pods and pod templates)' if PLACES[name].pod else ''}" for name in rule.look)
    lines = [f"## {rule.id}\n", f"Looks at {where}.\n"]
    named = (("exactly", rule.equals), ("begins with", rule.prefixes), ("is, or lies under", rule.domains))
    lines += [f"- {how}: {', '.join(f'`{word}`' for word in words)}" for how, words in named if words]
    if rule.allowed is not None:
        lines.append(f"- anything but: {', '.join(f'`{word}`' for word in rule.allowed) or 'nothing is allowed'}")
    return "\n".join(lines) + "\n"
