"""The lock-in rules as a check in preview: a stack's own objects keep to what departments must keep to.

The rules, the lint and the admission policies are `commonweal_api.lockin`; this is the part that a Pulumi program calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from commonweal_api.lockin import Finding, lint
from commonweal_stacks.site import SiteConfigError

__all__ = ["check"]


def check(objects: Iterable[Mapping[str, Any]], *, today: date) -> list[Finding]:
    """Return what only warns; raises SiteConfigError, a line each, for what the API server would refuse. Exempt findings are left out.

    Values that are not known yet (a Pulumi output) are passed over: no rule looks at a Secret's content.
    """
    found = [finding for finding in lint(objects, today=today) if not finding.exempt(today)]
    refused = [f"{finding.object}: {finding.sentence()}" for finding in found if finding.rule.action == "Deny"]
    if refused:
        raise SiteConfigError("\n".join(refused))
    return found
