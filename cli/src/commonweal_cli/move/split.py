"""A department whose store lies in its own namespace, taken into the platform's: the mover's steps between two namespaces of one site.

Both ends are one Department. Two annotations say how far it is: `splitting` from the first step until nothing of the old store is left, `arriving` until the
new one takes up its plan. The old store serves until the switch, and is kept after it until it is removed on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from commonweal_api.move import ARRIVING, SPLITTING
from commonweal_cli.exceptions import KubectlError, MoveRefusedError
from commonweal_cli.move import cutover, preflight, prepare
from commonweal_cli.move.endpoint import AGAIN, End
from commonweal_cli.move.mover import Mover
from commonweal_cli.move.states import Decision, Seen, Source, Step, Target
from commonweal_local.exceptions import LocalError
from commonweal_local.waiting import within

GONE_SECONDS = 240.0
# What the operator made for a store in the department's own namespace, and does not make there any more. The claim is last: it holds what people said.
_OLD = (
    "deployment/data-api",
    "deployment/models",
    "service/store",
    "service/data-api",
    "service/models",
    "networkpolicy/store",
    "networkpolicy/data-api",
    "networkpolicy/models",
    "rolebinding/store",
    "rolebinding/models",
    "rolebinding/commonweal-operator",
    "role/store",
    "role/models",
    "serviceaccount/store",
    "serviceaccount/data-api",
    "serviceaccount/models",
    "configmap/commonweal-store-plan",
    "configmap/commonweal-model-plan",
    "configmap/commonweal-store-report",
    "configmap/commonweal-model-report",
    "secret/commonweal-keys",
    "secret/commonweal-signing",
    "persistentvolumeclaim/data-store-0",
)


def has_store(end: End) -> bool:
    """Return whether a StatefulSet of a store is in the end's namespace."""
    return bool(end.cluster.run("get", "statefulset", "store", "-n", end.home, "-o", "name", "--ignore-not-found").strip())


def seen(source: End, target: End) -> Seen:
    """Look at both namespaces. Raises KubectlError when the site does not answer, MoveRefusedError when it has no such department."""
    found = target.object()
    if found is None:
        raise MoveRefusedError(f"{target.site} has no department {target.department}", "Check --site and the name.")
    marks: dict[str, Any] = found["metadata"].get("annotations") or {}
    move, arriving = str(marks.get(SPLITTING, "")), ARRIVING in marks
    if arriving and not move:
        raise LocalError(f"{target.site}: the department is arriving there by another move", "Finish that move first.")
    here, here_move = _source(source)
    there, there_move = _target(target, arriving=arriving)
    return Seen(here, there, here_move or move, there_move or move, uncertified=bool(move))


def _source(end: End) -> tuple[Source, str]:
    if not has_store(end):
        return Source.ABSENT, ""
    return preflight.source_state(preflight.look(end))


def _target(end: End, *, arriving: bool) -> tuple[Target, str]:
    if not has_store(end):
        return (Target.PREPARED if arriving else Target.ABSENT), ""
    return preflight.target_state(preflight.look(end), arriving=arriving)


@dataclass
class Splitter(Mover):
    """One department between its own namespace and the platform's for it. With `keep` the old store stays, and answers with the new address."""

    def _seen(self) -> Seen:
        return seen(self.source, self.target)

    @property
    def file(self) -> Any:
        """The report."""
        return self.directory / f"{self.source.department}-split.json"

    def _done(self, decision: Decision) -> bool:
        if decision.step is Step.REFUSE:
            raise MoveRefusedError(f"The store of {self.source.department} is not taken into {self.target.home}", decision.why)
        return super()._done(decision)

    def check(self) -> preflight.Facts:
        """Moves within a site have no facts to gather. Raises LocalError."""
        raise LocalError("A split has no estimate", "Run it; the old store serves until the switch.")

    def _prepare(self) -> None:
        with self.timeline.measured("look and prepare"):
            self.move = self.move or self.named()
            self._mark(f"{SPLITTING}={self.move}", f"{ARRIVING}={self.move}")
            prepare.bring_keys(self.source, self.target)
            prepare.await_store(self.target)
            told = preflight.look(self.source)
            if told is None:
                raise LocalError("The store of the department does not answer", AGAIN)
            self._require_room(int(told["bytes"] * preflight.ROOM))

    def _copy(self) -> None:
        self._prepare()
        self.timeline.numbers |= {"storeBytes": (preflight.look(self.source) or {}).get("bytes")}
        cutover.copy_and_switch(self.source, self.target, self.move, self.timeline, self._say, most_frozen=self.most_frozen)
        self._open()

    def _discard(self) -> None:
        """Throw away a copy of a moment after which the old store has served: the operator makes the namespace again, and the keys are brought again."""
        with self.timeline.measured("throw an old copy away"):
            self._mark(f"{ARRIVING}={self.move}")  # first: from here on the old store is the one that the operator speaks of
            uid = self._uid()
            self.target.cluster.run("delete", "namespace", self.target.home, "--wait=false")
            if not within(GONE_SECONDS, lambda: self._uid() != uid, every=0.5):
                raise LocalError(f"{self.target.site}: namespace {self.target.home} does not go away", "See what keeps it, then run again.")

    def _erase(self) -> None:
        """Remove what is left of the old store: it has handed over, and every table was compared. Safe to repeat."""
        with self.timeline.measured("remove the old store"):
            self._remove("statefulset/store")
            for name in _OLD:
                self._remove(name)
            self._mark(f"{SPLITTING}-")

    def _remove(self, name: str) -> None:
        """Return when it is gone with all that it owns: the pods of a workload end before the workload does."""
        how = ("--ignore-not-found", "--cascade=foreground", "--timeout=180s")
        self.source.cluster.run("delete", name, "-n", self.source.namespace, *how)

    def _uid(self) -> str:
        try:
            return self.target.cluster.run(
                "get", "namespace", self.target.home, "-o", "jsonpath={.metadata.uid}", "--ignore-not-found"
            ).strip()
        except KubectlError:
            return ""

    def _mark(self, *marks: str) -> None:
        self.target.cluster.run("annotate", "department", self.target.department, *marks, "--overwrite")
