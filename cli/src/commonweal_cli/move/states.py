"""What a move does next, decided from what both sites say and from nothing else. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """What the department is at the old site."""

    ABSENT = "Absent"
    LEAVING = "Leaving"  # being deleted
    SERVING = "Serving"
    FROZEN = "Frozen"
    GONE = "Gone"
    AWAY = "Away"  # there, and its store does not answer


class Target(StrEnum):
    """What it is at the new one."""

    ABSENT = "Absent"
    LEAVING = "Leaving"
    PREPARED = "Prepared"  # brought by a move; its store is empty, not there yet, or does not answer
    COPIED = "Copied"  # the copy is in place and closed; no plan yet
    RELEASED = "Released"  # the copy is in place and closed; it carries out its plan
    SERVING = "Serving"
    AWAY = "Away"


class Step(StrEnum):
    """What to do."""

    PREPARE = "prepare"
    COPY = "copy and switch"
    OPEN = "open"
    ERASE = "erase"
    DISCARD = "discard"
    DONE = "done"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Seen:
    """What both sites say; `source_move` and `target_move` are the moves that they are part of, empty for none.

    `uncertified`: the new site knows of an erasure at the old one that was begun and not certified yet.
    """

    source: Source
    target: Target
    source_move: str = ""
    target_move: str = ""
    uncertified: bool = False

    @property
    def same(self) -> bool:
        """Whether both are part of one move."""
        return self.source_move == self.target_move


@dataclass(frozen=True, slots=True)
class Decision:
    """The step, and why or what to do."""

    step: Step
    why: str = ""


_COPIES = frozenset({Target.COPIED, Target.RELEASED})
_NOTHING = frozenset({Target.ABSENT, Target.LEAVING})


def decide(seen: Seen) -> Decision:
    """Return the next step. Before the old site has gone a copy that is in place is thrown away; after it, there is only forward."""
    if seen.source == Source.AWAY or seen.target == Target.AWAY:
        return Decision(
            Step.REFUSE,
            "The store of the department does not answer at one of the sites. Nothing was changed; run the command again when it does.",
        )
    if seen.source is Source.GONE:
        return _after(seen)
    if seen.source in (Source.ABSENT, Source.LEAVING):
        return _without(seen)
    return _before(seen)


def _before(seen: Seen) -> Decision:
    if seen.source is Source.FROZEN and not seen.same:
        return Decision(Step.REFUSE, "Another move of the department is under way. Wait for its end, or half a minute if it was killed.")
    if seen.target is Target.SERVING:
        return Decision(
            Step.REFUSE, "Both sites have a department of this name. Remove the one that is not to be, or give it another name."
        )
    if seen.target in _COPIES:
        return Decision(Step.DISCARD, "The copy at the new site is of a moment after which the old one has served.")
    if seen.target in _NOTHING:
        return Decision(Step.PREPARE)
    return Decision(Step.COPY)


def _after(seen: Seen) -> Decision:
    if seen.target is Target.SERVING:
        return Decision(Step.ERASE)
    if seen.target in _COPIES and seen.same:
        return Decision(Step.OPEN)
    return Decision(
        Step.REFUSE,
        "The old site has handed the department over, and its copy is not at this new site. Name the site that the old one names, or restore that site's volume.",
    )


def _without(seen: Seen) -> Decision:
    if seen.target is Target.SERVING:
        return Decision(Step.ERASE if seen.uncertified or seen.source is Source.LEAVING else Step.DONE)
    if seen.target in _COPIES:
        return Decision(
            Step.REFUSE,
            "The old site lost the department before it had handed it over; the copy at the new one may lack what was said since. "
            "Bring the old site back, and run the command again.",
        )
    return Decision(Step.REFUSE, "There is no such department at the old site. Check --from and the department's name.")
