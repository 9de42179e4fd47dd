"""The move itself: look, decide, do one step, look again; what is known of it is kept in a file, what decides is kept by the sites."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commonweal_cli.exceptions import KubectlError, MoveRefusedError
from commonweal_cli.move import cutover, finalize, preflight, prepare
from commonweal_cli.move.endpoint import AGAIN, End
from commonweal_cli.move.manifests import Manifest, changed_lines, exported, lines
from commonweal_cli.move.states import Decision, Seen, Step, decide
from commonweal_cli.move.timeline import Timeline, report, table
from commonweal_local import paths
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Progress

MOST_STEPS = 12


@dataclass
class Mover:
    """One department between two sites. `run` may be called again after whatever ended the last one."""

    source: End
    target: End
    progress: Progress
    accept_closed: bool = False
    keep: bool = False
    most_frozen: float = 300.0
    timeline: Timeline = field(default_factory=Timeline)
    move: str = ""
    manifests: list[Manifest] = field(default_factory=list)
    _say: Callable[[str], None] = print

    @property
    def directory(self) -> Path:
        """Where reports and certificates of moves lie on this machine."""
        return paths.home() / "moves"

    @property
    def file(self) -> Path:
        """The report."""
        return self.directory / f"{self.source.department}.json"

    def _is_part_of(self, move: str) -> None:
        """Take the move's name, and what an earlier run on this machine wrote of it."""
        if move and move != self.move and self.file.is_file():
            made = json.loads(self.file.read_text(encoding="utf-8"))
            if made.get("move") == move:
                self.timeline.go_on(made)
        self.move = move

    def run(self) -> dict[str, Any]:
        """Move the department and return the report. Raises LocalError; the old site then serves, unless it says that it has moved."""
        try:
            for _ in range(MOST_STEPS):
                seen = self._seen()
                self._is_part_of(seen.source_move or seen.target_move or self.move)
                decision = decide(seen)
                if self._done(decision):
                    return self._reported()
                try:
                    self._do(decision)
                finally:
                    paths.write(self.file, self._report())
        except KubectlError as error:
            raise LocalError(error.what, AGAIN) from error
        raise LocalError(f"The move does not come to an end: {seen}", "Look at both sites, then run the command again.")

    def _seen(self) -> Seen:
        return preflight.seen(self.source, self.target)

    def _done(self, decision: Decision) -> bool:
        if decision.step is Step.REFUSE:
            raise MoveRefusedError(f"{self.source.department} is not moved from {self.source.site} to {self.target.site}", decision.why)
        return decision.step is Step.DONE or (decision.step is Step.ERASE and self.keep)

    def _do(self, decision: Decision) -> None:
        steps: Mapping[Step, Callable[[], None]] = {
            Step.PREPARE: self._prepare,
            Step.COPY: self._copy,
            Step.OPEN: self._open,
            Step.ERASE: self._erase,
            Step.DISCARD: self._discard,
        }
        with self.progress.step(f"{decision.step}: {self.source.department}, {self.source.site} to {self.target.site}") as shown:
            self._say = shown.update
            steps[decision.step]()

    def check(self) -> preflight.Facts:
        """Read what decides whether the department may move; raise MoveRefusedError with every remedy at once."""
        self.manifests = exported(self.source)
        if not self.manifests:
            raise MoveRefusedError(f"{self.source.site} has no department {self.source.department}", "Check --from and the name.")
        found = preflight.facts(self.source, self.target, self.manifests)
        wrong = preflight.obstacles(found, apart_accepted=self.accept_closed)
        if wrong:
            raise MoveRefusedError(f"{self.source.department} cannot move to {self.target.site}", "\n  ".join(["", *wrong]).strip())
        return found

    def _prepare(self) -> None:
        with self.timeline.measured("look and prepare"):
            facts = self.check()
            self.move = self.move or self.named()
            prepare.prepare(self.source, self.target, self.manifests, self.move)
            self._require_room(facts.room_wanted)

    @staticmethod
    def named() -> str:
        """Return a name for a new move."""
        return f"move-{secrets.token_hex(4)}"

    def _require_room(self, wanted: int) -> None:
        here, there = preflight.look(self.source), preflight.look(self.target)
        if here is None or there is None:
            raise LocalError("A store does not answer", AGAIN)
        for key, what in (("postgres", "PostgreSQL's major version"), ("machine", "the processor's architecture")):
            if here[key] != there[key]:
                raise MoveRefusedError(
                    f"{what} differs: {here[key]} and {there[key]}", "Bring both sites to the same release and kind of machine."
                )
        if there["free"] + there["laid"] < wanted:
            raise MoveRefusedError(
                f"{self.target.site}: the store's volume has {there['free'] / 1e6:.0f} MB free and needs {wanted / 1e6:.0f} MB",
                "Raise spec.store.size, or free space at that site; then run the command again.",
            )

    def _copy(self) -> None:
        if not self.manifests:
            self._prepare()  # also where another run, or another machine, has begun
        else:
            self._again_if_changed()
        looked = preflight.look(self.source)
        self.timeline.numbers |= {"storeBytes": (looked or {}).get("bytes"), "objects": len(self.manifests)}
        cutover.copy_and_switch(self.source, self.target, self.move, self.timeline, self._say, most_frozen=self.most_frozen)
        self._open()  # at once, without another look: until then nobody serves uses

    def _again_if_changed(self) -> None:
        changed = exported(self.source)
        if changed_lines(self.manifests, changed):
            self.manifests = changed
            prepare.prepare(self.source, self.target, self.manifests, self.move)

    def _open(self) -> None:
        cutover.open_target(self.target, self.move, self.timeline)

    def _erase(self) -> None:
        with self.timeline.measured("erase at the old site"):
            if "opened" not in self.timeline.moments and self.move:  # another run has opened it, or was killed while it did
                cutover.open_target(self.target, self.move, self.timeline)
            told = self._told()
            url = cutover.address(self.target)
            self.timeline.numbers["routed"] = finalize.route(self.source.department, self.target.site, url, self.target.cluster.program)
            envelope = finalize.erase(self.source, self.target, self.move, told)
        name = f"{self.source.department}-{self.source.site}-erasure.json"
        self.timeline.numbers["certificate"] = str(paths.write(self.directory / name, envelope))

    def _told(self) -> dict[str, Any]:
        """Return what there is to erase, and compare the manifests of both sites a last time."""
        here, there = exported(self.source), exported(self.target)
        if here:
            self.timeline.numbers["changedManifestLines"] = len(changed_lines(here, there))
        text = "\n".join(lines(here)).encode()
        return {"objects": len(here), "digests": {"manifests": hashlib.sha256(text).hexdigest()}}

    def _discard(self) -> None:
        with self.timeline.measured("throw an old copy away"):
            prepare.discard(self.target)
        self.manifests = []

    def abort(self) -> None:
        """Call the move off: remove what it brought to the new site, and have the old one serve. Raises MoveRefusedError once it has gone."""
        seen = preflight.seen(self.source, self.target)
        decision = decide(seen)
        if decision.step in (Step.OPEN, Step.ERASE, Step.DONE, Step.REFUSE):
            raise MoveRefusedError(
                "The move cannot be called off", decision.why or "The old site has handed the department over; run the move to its end."
            )
        if seen.target_move or self.target.arriving():
            prepare.discard(self.target)
        move = seen.source_move or seen.target_move
        if move:
            self.source.step("thaw", move)

    def _report(self) -> dict[str, Any]:
        return report(self.timeline, department=self.source.department, source=self.source.site, target=self.target.site, move=self.move)

    def _reported(self) -> dict[str, Any]:
        made = self._report()
        if self.timeline.steps:
            self.progress.say(table(made))
        return made


def estimate(facts: preflight.Facts, manifests: Sequence[Manifest], seen: Seen) -> str:
    """Return what a move would do, for `--dry-run`."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(facts.objects.items()))
    return "\n".join(
        [
            f"next step                  {decide(seen).step}",
            f"objects to apply           {len(manifests)} ({kinds})",
            "changed manifest lines     0 (they are applied as they are; the two keys go with them)",
            f"bytes of the store         {facts.store_bytes}",
            f"room wanted                {facts.room_wanted} bytes on the new store's volume",
            "refused while frozen       uses (503 DepartmentMoving), as long as it takes to read the store once and to start it at the new site",
            "taken all the while        what people say",
        ]
    )
