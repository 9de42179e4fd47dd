"""`pulumi up` of `stacks/management` on this machine's management cluster."""

from __future__ import annotations

from collections.abc import Callable

from commonweal_cli.site.stack import Outcome, Stack
from commonweal_local import paths
from commonweal_local.exceptions import LocalError
from commonweal_stacks.clusters.identity import cluster_uid
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.management_access import management_kubeconfig

NAME = "management"

Say = Callable[[str], None]


def apply(say: Say = print, *, refresh: bool = False) -> Outcome:
    """Put Cluster API, our providers and the classes of their kinds on the management cluster. Raises LocalError."""
    stack = _prepared(say)
    return stack.run("up", say, {"refresh": refresh})


def preview(say: Say = print, *, refresh: bool = False) -> Outcome:
    """Tell what `apply` would change, and change nothing."""
    return _prepared(say).run("preview", say, {"refresh": refresh})


def _prepared(say: Say) -> Stack:
    stack = Stack(NAME, paths.source() / "stacks" / "management", directory="management", title="the management stack")
    try:
        uid = cluster_uid(management_kubeconfig(), site="of the management cluster")
    except SiteConfigError as error:
        raise LocalError("the management cluster cannot be used", str(error)) from error
    # The state of a management cluster that was lost is forgotten: its objects went with it.
    stack.settle(uid, say)
    stack.prepare(say)
    return stack
