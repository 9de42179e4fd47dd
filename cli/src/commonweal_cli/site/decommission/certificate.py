"""The erasure certificate of a site: what was there, what was looked for afterwards and not found, and what nobody can promise. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from commonweal_cli.site.decommission.facts import subjects
from commonweal_cli.site.decommission.journal import Journal
from commonweal_cli.site.decommission.traces import LEFT, NOT_CHECKED, Check
from commonweal_stacks.conformity.statement import ERASURE, sign

BACKUPS = "Backups of the site, and the keys written beside them, lie wherever they were put: they are not looked for."
LIMITS: Mapping[str, str] = {
    "local": "Files were removed, their blocks were not overwritten: on solid-state disks and copying file systems that would promise nothing. "
    "Secrets and ConfigMaps were sealed, with a key whose file was removed in the same way; volumes were not sealed.",
    "adopted": "The cluster belongs to others: what this stack had put there was taken off; the cluster, its disks and its etcd were left to its owner.",
}
HISTORY = (
    "The management cluster's etcd keeps earlier versions of the site's objects until it is compacted, which it is every five minutes; "
)
OPENS = {"adopted": "the kubeconfig among them still opens the cluster, until its owner revokes it."}
OPENS_NOTHING = "the kubeconfig among them opens nothing any more."
MACHINES = "The provider was told to delete the machines and disks; what it keeps in copies of its own cannot be seen from here."
UNREACHABLE = "The site did not answer: what it held is not named here, and nothing on it was seen to be erased."


def left(checks: Sequence[Check]) -> list[Check]:
    """The checks that found something."""
    return [check for check in checks if check.result == LEFT]


def limits(journal: Journal) -> list[str]:
    """What the certificate cannot promise, for the kind of site."""
    history = HISTORY + OPENS.get(journal.kind, OPENS_NOTHING)
    return [LIMITS.get(journal.kind, MACHINES), history, BACKUPS, *([] if journal.asked else [UNREACHABLE])]


def certify(journal: Journal, checks: Sequence[Check], at: datetime) -> dict[str, Any]:
    """Return the signed certificate. Raises ValueError when something was left: then there is nothing to certify."""
    if left(checks):
        raise ValueError(f"checks: {', '.join(check.check for check in left(checks))} left; erase them first.")
    unasked = [] if journal.asked else [Check("what the site held", NOT_CHECKED, "the site did not answer")]
    predicate = {
        "what": "site",
        "site": journal.site,
        "kind": journal.kind,
        "cluster": journal.held.cluster,
        "departments": sorted(journal.held.departments),
        "volumes": sorted(journal.held.volumes),
        "counts": dict(journal.held.counts),
        "started": journal.started,
        "finished": at.isoformat(timespec="seconds"),
        "checks": [asdict(check) for check in (*checks, *unasked)],
        "limits": limits(journal),
    }
    return sign(ERASURE, subjects(journal.site, journal.held), predicate, seed=bytes.fromhex(journal.seed), at=at)
