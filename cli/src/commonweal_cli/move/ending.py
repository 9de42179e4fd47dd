"""Ending a department: saying what goes, having it deleted, and following the operator, which keeps the order, until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from commonweal_cli.kubectl import Kubectl
from commonweal_cli.move import prepare
from commonweal_cli.move.endpoint import End
from commonweal_local.exceptions import LocalError
from commonweal_local.waiting import within

Object = dict[str, Any]
Say = Callable[[str], None]
_HELD = (
    ("consents", "consents in force"),
    ("objections", "objections"),
    ("delegations", "delegations"),
    ("links", "links"),
    ("erasures", "erasures that their sources have still to carry out"),
)


def what_goes(department: Object) -> Iterator[str]:
    """Yield, in words, what ends with a department and who is concerned, as the operator last reported it."""
    name, status, spec = department["metadata"]["name"], department.get("status") or {}, department["spec"]
    since = department["metadata"].get("deletionTimestamp")
    yield (
        f"{name} has been ending since {since}."
        if since
        else f"With {name} its store goes, with every consent, link, journal and key in it, and both its namespaces."
    )
    for party in status.get("parties") or ():
        yield f"  {party['department']} is told, and loses:"
        yield from (f"    agreement {text} ({_role(text, name)})" for text in party.get("agreements") or ())
        yield from (f"    model {text} no longer reads or tells the other" for text in party.get("models") or ())
    if not status.get("parties"):
        yield "  No other department of this site has agreements or models with it."
    feed = spec.get("consentFeed")
    if feed:
        sites = ", ".join(site["name"] for site in feed["sites"])
        yield f"  Its consent feed goes to {sites}: it stays until they have had {feed.get('maxStalenessSeconds', 300)} s to read it, or have closed."


def holdings(end_: End) -> str:
    """Return, in words, how much the store holds that goes with it; that it does not answer, if so."""
    try:
        found: dict[str, int] | None = end_.step("holdings", seconds=60) if end_.ready() else None
    except LocalError:
        found = None
    if found is None:
        return "  Its store does not answer, so how much goes with it is not known."
    counts = ", ".join(f"{found[kind]} {words}" for kind, words in _HELD)
    return f"  Its store holds {counts}."


def end(end_: End, say: Say, *, unreachable: bool, seconds: float) -> None:
    """Delete the department, confirmed, and return when nothing of it is left. Safe to repeat. Raises LocalError with what is waited for."""
    prepare.remove(end_, unreachable=unreachable)
    following = _Following(end_, say)
    if not within(seconds, following.done, every=0.5):
        raise LocalError(
            f"{end_.site}: {end_.department} is not gone after {seconds:.0f} s: {following.said or 'the operator has not said why'}",
            "Run the command again: it goes on. For what cannot answer any more, give --unreachable.",
        )


class _Following:
    """Says what is waited for whenever that changes."""

    def __init__(self, end_: End, say: Say) -> None:
        self._end, self._say, self.said = end_, say, ""

    def done(self) -> bool:
        found = self._end.object()
        left = self._end.namespaces() if found is None else []
        if found is None and not left:
            return True
        text = waited_for(found) if found is not None else f"waits for {' and '.join(left)} to be removed"
        if text and text != self.said:
            self._say(text)
            self.said = text
        return False


def waited_for(department: Object) -> str:
    """Return what the operator says it waits for, or an empty string."""
    conditions = (department.get("status") or {}).get("conditions") or ()
    return next((c["message"] for c in conditions if c["type"] == "Continues" and c["reason"] == "Ending"), "")


def looked_up(name: str, cluster: Kubectl) -> tuple[End, Object | None]:
    """Return a department at a site. Raises LocalError when nothing of it is there."""
    end_ = End(name, cluster)
    found = end_.object()
    if found is None and not end_.namespaces():
        raise LocalError(f"{cluster.name}: there is no Department {name}", "See `kubectl get departments`.")
    return end_, found


def _role(text: str, name: str) -> str:
    return "which it provides" if text.partition("/")[0] == name else "under which it reads"
