"""The lock-in rules as a policy pack: what a Pulumi program registers keeps to what departments must keep to, in a preview already.

The rules, the lint and the admission policies are `commonweal_api.lockin`; `stacks/policy` is the pack that the CLI is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal

from pulumi_policy import EnforcementLevel, PolicyPack, ReportViolation, ResourceValidationArgs, ResourceValidationPolicy
from pulumi_policy.proxy import UnknownValueError

from commonweal_api.lockin import lint
from commonweal_stacks import fleet_names as names

Action = Literal["Deny", "Warn"]
# Two policies and no more: for each one the SDK unpacks every object anew, and definitions are long.
POLICIES: Mapping[str, tuple[Action, EnforcementLevel, str]] = {
    "lock-in": (
        "Deny",
        EnforcementLevel.MANDATORY,
        "What cannot work on another site, and what every site's API server therefore refuses.",
    ),
    "lock-in-warning": ("Warn", EnforcementLevel.ADVISORY, "What works less well on another site."),
}


def serve() -> None:
    """Serve the policies to the engine that started this process, until it ends it."""
    PolicyPack("commonweal-lock-in", [policy(name) for name in POLICIES])


def policy(name: str) -> ResourceValidationPolicy:
    """Return one of the policies."""
    action, level, description = POLICIES[name]

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type.startswith("kubernetes:"):
            for sentence in judged(known(args.props), action, today=datetime.now(UTC).date()):
                report(sentence, None)

    return ResourceValidationPolicy(name=name, description=description, enforcement_level=level, validate=validate)


def judged(obj: Mapping[str, Any], action: Action, *, today: date) -> Iterator[str]:
    """Yield what the rules with that action say of an object and no exemption covers. Pure.

    How the fleet's own clusters are made is no business of the rules: infrastructure templates are a provider's by their nature.
    """
    if (obj.get("metadata") or {}).get("namespace") == names.FLEET:
        return
    for finding in lint([obj], today=today):
        if finding.rule.action == action and not finding.exempt(today):
            yield finding.sentence()


def known(value: Any) -> Any:
    """Return the value as plain Python data, without what a preview cannot know yet: no rule looks at such a place."""
    if isinstance(value, Mapping):
        return dict(_items(value, value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [item for _, item in _items(value, range(len(value)))]
    return value


def _items(value: Any, keys: Any) -> Iterator[tuple[Any, Any]]:
    for key in keys:
        try:
            yield key, known(value[key])
        except UnknownValueError:
            continue
