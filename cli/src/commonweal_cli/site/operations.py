"""`pulumi up` for a site: the operations that the command line and the demo use.

The committed project `stacks/site` is never written to. What belongs to this machine (salt, secrets, state) lies in `$COMMONWEAL_HOME/pulumi`;
see docs/how-to/site.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from commonweal_cli.site import departments
from commonweal_cli.site.site_stack import SiteStack
from commonweal_cli.site.stack import Outcome, root
from commonweal_local.exceptions import LocalError

__all__ = ["Outcome", "destroy", "environment", "forget", "known", "prepare", "preview", "summary", "up"]

COUNTED: Mapping[str, str] = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "same": "unchanged",
}
Say = Callable[[str], None]


def up(site: str, *, refresh: bool = False, say: Say = print, project: Path | None = None) -> Outcome:
    """Bring a site to what its stack file says: make its cluster, put the platform on it. Raises LocalError with what the program, an API server or a pod said.

    `project` holds the stack files, by default `stacks/site` of the checkout. `refresh` looks at the cluster first, so that what was changed there by hand is set right.
    """
    stack = SiteStack(site, project)
    needed = stack.make_ready(say)
    outcome = stack.run("up", say, needed or {"refresh": refresh})
    stack.note(outcome)
    return outcome


def preview(site: str, *, refresh: bool = False, say: Say = print, project: Path | None = None) -> Outcome:
    """Tell what `up` would change, by the API servers' own dry run, and change nothing."""
    stack = SiteStack(site, project)
    needed = stack.make_ready(say)
    return stack.run("preview", say, needed or {"refresh": refresh})


def destroy(site: str, *, delete_departments: bool = False, say: Say = print, project: Path | None = None) -> Outcome:
    """Take a site down: the platform, then its Cluster, and wait until it is gone; of an adopted site everything of ours.

    While it holds departments this is refused, unless they are to go, too, with their data.
    """
    stack = SiteStack(site, project)
    if stack.facts().moved:
        raise LocalError(
            f"the management cluster is another than the one on which {stack.title} was made, and does not know it",
            f"Let it take the site over with `commonweal site up {site}`, then destroy the site.",
        )
    stack.make_ready(say)
    if stack.is_there():
        departments.clear(stack.kubeconfig(), site=site, delete=delete_departments, say=say)
    outcome = stack.run("destroy", say)
    stack.record("cluster", "")
    return outcome


def prepare(site: str, project: Path | None = None) -> None:
    """Make a site's stack and its secrets, which `up` does too: for a caller who has time before there is a management cluster."""
    SiteStack(site, project).prepare(lambda _line: None)


def environment(site: str, *, say: Say = print, project: Path | None = None) -> dict[str, str]:
    """Return the environment in which `pulumi` by hand, in the project's directory, works on the site's stack as `up` does. Raises LocalError."""
    stack = SiteStack(site, project)
    stack.prepare(say)
    return stack.environment()


def forget(site: str) -> None:
    """Forget the state of a site whose cluster is gone; nothing on any cluster is touched."""
    SiteStack(site).forget()


def known() -> list[str]:
    """Return the sites of which this machine has a stack."""
    return sorted(directory.name for directory in (root() / "sites").glob("*") if directory.is_dir())


def summary(outcome: Outcome) -> str:
    """Return the outcome in one line; kinds of change that did not happen are left out."""
    parts = [f"{outcome.counts[key]} {word}" for key, word in COUNTED.items() if outcome.counts.get(key)]
    return f"{', '.join(parts) or 'nothing to do'} ({outcome.seconds:.1f} s)"
