"""Which revision may follow on what a site runs."""

from __future__ import annotations

import re

from commonweal_stacks.blueprint.model import Blueprint

_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")


def parts_of(version: str) -> tuple[int, int, int]:
    """Return the numbers of a version such as `v1.36.3`; what follows them (`+k3s1`) plays no part. Raises ValueError."""
    found = _VERSION.match(version)
    if found is None:
        raise ValueError(f"{version!r} is not a Kubernetes version such as v1.36.3")
    major, minor, patch = (int(number) for number in found.groups())
    return major, minor, patch


def refusal_of(running: str | None, wanted: Blueprint) -> str | None:
    """Return why a site whose cluster is at Kubernetes `running` cannot take a revision, with the remedy; None when it can.

    `running` is `spec.topology.version` of the site's Cluster; None when there is no Cluster yet.
    """
    if running is None:
        return None
    have, want = parts_of(running), parts_of(wanted.kubernetes)
    if want < have:
        return (
            f"blueprint {wanted.revision} is Kubernetes {wanted.kubernetes}, but the cluster is at {running}, and Cluster API cannot decrease "
            "a version. Name a revision of that version or a newer one; or make another site of the old one and move the departments there."
        )
    if want[0] != have[0] or want[1] > have[1] + 1:
        return (
            f"blueprint {wanted.revision} is Kubernetes {wanted.kubernetes}, but the cluster is at {running}, and no minor may be left out. "
            "Take the revisions in between first."
        )
    return None
