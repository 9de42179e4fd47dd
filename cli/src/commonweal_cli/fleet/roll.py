"""A change, ring by ring: each site is brought up and then held to the canary's signed root. The first that is not alike stops it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from commonweal_cli.fleet.rings import Ring
from commonweal_cli.fleet.sites import EXPECTED_FAILURES, Sites
from commonweal_cli.fleet.state import Before, Phase, Record, Rollout
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Progress
from commonweal_stacks.conformity.examine import Examined
from commonweal_stacks.conformity.probes import broken_ones
from commonweal_stacks.conformity.tree import Digest, differences

AT_ONCE = 4
LEAVES = 5


def begin(record: Record, made: Sequence[Ring], expected: str = "", *, anew: bool = False) -> Rollout:
    """Return the roll-out to work on: the recorded one when it is of the same sites and not complete, else a new one, written down.

    `anew` goes through all rings again from the canary, as after a change of the stack files; what is known of how the sites were before all of it
    is kept. Raises LocalError when another roll-out is under way: its sites would be forgotten.
    """
    known = record.load()
    fresh = Rollout.of(made, expected)
    if known is not None and not known.complete and known.moved:
        if known.rings != tuple(made):
            raise LocalError(
                f"another roll-out is under way: {len(known.moved)} of {len(known.sites)} sites have it",
                "Finish it with the same sites and rings, or take it back with `commonweal fleet rollback`; `commonweal fleet status` shows it.",
            )
        if not anew:
            if expected not in ("", known.expected):
                raise LocalError(f"--expect: the roll-out under way holds its sites to {known.expected}", "Leave it out, or give --anew.")
            return known
        for name in known.moved:
            fresh = fresh.with_site(name, before=known.sites[name].before)
    record.save(fresh)
    return fresh


def roll(record: Record, sites: Sites, progress: Progress, *, at_once: int = AT_ONCE) -> Rollout:
    """Go through the rings until all is done or a site is not as it must be; return the roll-out as it is then. Safe to run again."""
    while (turn := record.known().next_ring()) is not None:
        number, left = turn
        canary = [name for name in left if name == record.known().canary]
        for group in (canary, [name for name in left if name not in canary]):
            if group and not _ring(record, sites, progress, number, group, at_once):
                return record.known()
    return record.known()


def _ring(record: Record, sites: Sites, progress: Progress, number: int, names: Sequence[str], at_once: int) -> bool:
    """Move these sites, a few at once; return whether all are as they must be. After the first failure none is begun any more."""
    stop = threading.Event()
    title = f"ring {number} of {len(record.known().rings)}: {len(names)} {'site' if len(names) == 1 else 'sites'}"
    with progress.step(title) as step:
        reference = _reference(record.known(), sites, names)

        def one(name: str) -> None:
            if stop.is_set():
                return
            if not _site(record, sites, name, reference, lambda line: step.update(f"{name}: {line}")):
                stop.set()

        with ThreadPoolExecutor(max(1, min(at_once, len(names)))) as pool:
            list(pool.map(one, names))
    return not stop.is_set()


def _reference(rollout: Rollout, sites: Sites, names: Sequence[str]) -> Digest | None:
    """Return the canary's signed leaves, by which a difference is named; None for the canary itself, or when it keeps none that fits."""
    if rollout.canary in names or not rollout.expected:
        return None
    signed = sites.signed(rollout.canary)
    return signed if signed is not None and signed.root == rollout.expected else None


def _site(record: Record, sites: Sites, name: str, reference: Digest | None, say: Callable[[str], None]) -> bool:
    try:
        _move(record, sites, name, reference, say)
    except EXPECTED_FAILURES as error:
        record.change(name, phase=Phase.FAILED, why=str(error))
        return False
    return True


def _move(record: Record, sites: Sites, name: str, reference: Digest | None, say: Callable[[str], None]) -> None:
    """Bring one site up and hold it to what is expected. Raises one of EXPECTED_FAILURES."""
    rollout = record.known()
    known, expected = rollout.sites[name].before, rollout.expected
    before = known if known != Before() else sites.before(name)
    record.change(name, phase=Phase.MOVING, before=before, why="")  # on disk before the site is touched
    sites.up(name, say)
    found = sites.examine(name, say)
    broken = broken_ones(found.verdicts)
    if broken:
        raise LocalError(f"it breaks a promise: {'; '.join(broken)}", "Fix what the probe names, then run the roll-out again.")
    if expected and found.digest.root != expected:
        raise LocalError(mismatch(found, expected, reference), "Fix the leaf and run the roll-out again, or `commonweal fleet rollback`.")
    sites.sign(found)
    if not expected:
        record.expect(found.digest.root)
    record.change(name, phase=Phase.DONE, root=found.digest.root)


def mismatch(found: Examined, expected: str, reference: Digest | None) -> str:
    """Return in which leaves a site differs from what is expected, as far as the leaves of that are known. Pure."""
    if reference is None:
        return f"its root is {found.digest.root}, and {expected} is expected"
    leaves = differences(reference, found.digest)
    more = f"; and {len(leaves) - LEAVES} more" if len(leaves) > LEAVES else ""
    shown = "; ".join(str(leaf) for leaf in leaves[:LEAVES])
    return f"it differs in {len(leaves)} {'leaf' if len(leaves) == 1 else 'leaves'} (expected | found): {shown}{more}"


def back(record: Record, sites: Sites, progress: Progress, names: Sequence[str] = ()) -> Rollout:
    """Bring the sites that the change may have reached back to the settings they had, the last ones first; return the roll-out.

    Each is held to the root that it had signed before, when there is one and the code is the same. One that fails does not keep the others from
    going back. Raises LocalError when nothing is recorded, or a name is none of its sites.
    """
    rollout = record.load()
    if rollout is None or not rollout.moved:
        raise LocalError("no roll-out is recorded that has reached a site", "There is nothing to take back.")
    unknown = sorted({*names} - {*rollout.moved})
    if unknown:
        raise LocalError(f"the roll-out has not reached {', '.join(unknown)}", f"It has reached {', '.join(rollout.moved)}.")
    wanted = [name for name in rollout.moved if not names or name in names]
    with progress.step(f"rolling {len(wanted)} {'site' if len(wanted) == 1 else 'sites'} back") as step:
        for name in wanted:
            try:
                _return(record, sites, name, lambda line, name=name: step.update(f"{name}: {line}"))  # type: ignore[misc]
            except EXPECTED_FAILURES as error:
                record.change(name, phase=Phase.FAILED, why=f"not rolled back: {error}")
    return record.known()


def _return(record: Record, sites: Sites, name: str, say: Callable[[str], None]) -> None:
    before = record.known().sites[name].before
    if before.config is None:
        raise LocalError(
            "nothing is known of how it was before", f"Take it down with `commonweal site destroy {name}`: the roll-out made it."
        )
    sites.up(name, say, config=before.config)
    found = sites.examine(name, say, config=before.config)
    broken = broken_ones(found.verdicts)
    if broken:
        raise LocalError(f"it breaks a promise: {'; '.join(broken)}", "Fix what the probe names, then roll back again.")
    sites.sign(found)
    note = (
        ""
        if before.root in ("", found.digest.root)
        else "the settings are those of before, the root is not: the code is another. Check out the commit of before."
    )
    record.change(name, phase=Phase.BACK, root=found.digest.root, why=note)
