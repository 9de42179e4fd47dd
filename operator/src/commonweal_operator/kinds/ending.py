"""A Department that was deleted: access is closed first, everybody is told, and only then does it go.

The finalizer that holds it is put on while others have to do with it. Who deletes it, by whatever way, does not change the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from commonweal_api.reasons import ConditionType, Reason
from commonweal_operator.desired.access import operator_access
from commonweal_operator.desired.manifest import Child, Owner
from commonweal_operator.desired.plans import plans
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.kinds.conditions import Finding, all_of, conditions, named
from commonweal_operator.kinds.department import DepartmentInput, content, max_staleness_seconds, peers


@dataclass(frozen=True, slots=True)
class EndingInput:
    """All that bears on a department that is ending.

    `department` is what its store shall hold from now on: no agreement and no model. `closed`: its own store has confirmed that, or there is none.
    `open_elsewhere` are the agreements, as PROVIDER/NAME, under which it reads others whose stores have not confirmed that they are closed; `untold` are the parties whose status does
    not say yet that it is ending.
    """

    department: DepartmentInput
    since: datetime
    closed: bool
    open_elsewhere: tuple[str, ...]
    untold: tuple[str, ...]


def concerns_others(inputs: DepartmentInput) -> bool:
    """Return whether others have to do with the department, so that it must not go unnoticed; one that a move brings is not there yet."""
    return not inputs.record.arriving and bool(inputs.parties or peers(inputs))


def children(inputs: EndingInput, platform: PlatformConfig) -> Sequence[Child]:
    """Return the operator's right to write, the list of what may be open, and plans, without any agreement."""
    found, department = content(inputs.department), inputs.department
    owner = Owner(found.name, found.uid)
    owners = [*([owner] if department.old_store else []), *([] if department.unsplit else [owner.ours])]
    return [child for one in owners for child in (operator_access(one, platform), *plans(one, found.store, found.models))]


def waits(inputs: EndingInput) -> list[str]:
    """Return what has to happen before the department goes."""
    found = [] if inputs.closed else ["its own store to confirm that it is closed"]
    found += [f"the store of {name.partition('/')[0]} to confirm that agreement {name} is closed" for name in inputs.open_elsewhere]
    found += [f"{name} to be told" for name in inputs.untold]
    last = feed_ends(inputs)
    if last is not None and inputs.department.now < last:
        sites = ", ".join(peer.name for peer in peers(inputs.department))
        found.append(
            f"consent events to be read by {sites} until {last.isoformat()}, after which a site that has heard nothing closes by itself"
        )
    return found


def feed_ends(inputs: EndingInput) -> datetime | None:
    """Return when each other site has read the last consent events, or has closed for want of news; None without other sites."""
    seconds = max_staleness_seconds(inputs.department)
    return inputs.since + timedelta(seconds=seconds) if peers(inputs.department) and seconds else None


def may_go(inputs: EndingInput) -> bool:
    """Return whether nothing holds the department any more."""
    return inputs.department.record.let_go or not waits(inputs)


def status(inputs: EndingInput) -> dict[str, Any]:
    """Return the status without times: what was known stays, and the conditions say what is waited for."""
    record, left = inputs.department.record, waits(inputs)
    detail = f"Waits for: {named(left, '; ')}." if left else "Nothing is waited for any more."
    found = [f if f.type is ConditionType.CONTINUES else f._replace(detail="") for f in all_of("Department", Reason.ENDING, detail)]
    known = dict(record.status) | {"parties": [p.wire() for p in inputs.department.parties] or None}
    known |= {"observedGeneration": record.generation, "conditions": conditions(_continues_first(found), record.generation)}
    return {k: v for k, v in known.items() if v is not None}


def _continues_first(findings: list[Finding]) -> list[Finding]:
    # Ready shows the first that is False: the one that says what is waited for.
    return sorted(findings, key=lambda f: f.type is not ConditionType.CONTINUES)
