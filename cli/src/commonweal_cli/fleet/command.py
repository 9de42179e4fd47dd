"""`commonweal fleet`: a change for many sites, in rings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from commonweal_cli.conventions import DONE, FAILED, output_option, show, words
from commonweal_cli.fleet.rings import DEFAULT, rings
from commonweal_cli.fleet.roll import AT_ONCE, back, begin, roll
from commonweal_cli.fleet.sites import RealSites, every_site
from commonweal_cli.fleet.state import Phase, Record, Rollout
from commonweal_cli.where import FILE
from commonweal_local import paths
from commonweal_local.progress import Progress


def folder() -> Path:
    """Return where the state of roll-outs lies."""
    return paths.home() / "fleet"


def record() -> Record:
    """Return the record of the roll-out."""
    return Record(folder() / "roll.json")


@click.group()
def fleet() -> None:
    """Bring a change to many sites, in rings; stop at the first that is not alike."""


stacks_option = click.option(
    "--stacks", type=FILE, metavar="DIRECTORY", help="directory of the stack files (default: stacks/site of the checkout)"
)


def which_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options that say which sites, and in which rings."""
    sizes = click.option(
        "--rings", "sizes", callback=words, default=",".join(DEFAULT), metavar="SIZES", help=f"default: {','.join(DEFAULT)}"
    )
    every = click.option("--all", "every", is_flag=True, help="every site that has a stack file")
    some = click.option("--sites", "names", callback=words, metavar="A,B,...", help="the sites, the canary first")
    return some(every(sizes(stacks_option(command))))


def _project(stacks: Path | None) -> Path:
    return stacks or paths.source() / "stacks" / "site"


def _rings(names: list[str], sizes: list[str], *, every: bool, project: Path) -> list[tuple[str, ...]]:
    if bool(names) == every:
        raise click.UsageError("Say which sites: --sites A,B,... or --all.")
    return rings(names or every_site(project), sizes)


@fleet.command("rings")
@which_options
@output_option
def show_rings(names: list[str], every: bool, sizes: list[str], stacks: Path | None, output: str) -> int:
    """Tell which sites get a change when."""
    made = _rings(names, sizes, every=every, project=_project(stacks))
    show(output, made, lambda: (f"ring {number}: {len(ring)}: {', '.join(ring)}" for number, ring in enumerate(made, 1)))
    return DONE


@fleet.command("roll")
@which_options
@click.option("--expect", metavar="ROOT", default="", help="the root that every site must have (default: the first site's own)")
@click.option("--anew", is_flag=True, help="begin again with the canary, as after a change of the stack files")
@click.option("--at-once", type=int, default=AT_ONCE, metavar="N", help=f"sites at the same time (default: {AT_ONCE})")
def roll_out(names: list[str], every: bool, sizes: list[str], stacks: Path | None, expect: str, anew: bool, at_once: int) -> int:
    """Roll out what the stack files say; exit code 1 when it stopped, with the site, the leaf and what to do."""
    project = _project(stacks)
    made = _rings(names, sizes, every=every, project=project)
    with paths.one_at_a_time(folder()):
        begin(record(), made, expect, anew=anew)
        done = roll(record(), RealSites(project, folder() / "projects"), Progress(), at_once=at_once)
    print("\n".join(_lines(done)))
    return _ended(done)


@fleet.command("rollback")
@click.option("--sites", "names", callback=words, metavar="A,B,...", help="only these (default: all that have the change)")
@stacks_option
def rollback(names: list[str], stacks: Path | None) -> int:
    """Bring the sites back to the settings they had."""
    with paths.one_at_a_time(folder()):
        done = back(record(), RealSites(_project(stacks), folder() / "projects"), Progress(), names)
    for name, state in done.sites.items():
        if state.phase is Phase.BACK or state.why:
            print(f"{name}: {state.phase}{f': {state.why}' if state.why else ''}")
    print("The stack files still say what was rolled back: put them back, too, before the next `commonweal site up`.")
    return _ended(done)


@fleet.command("status")
@stacks_option
@output_option
def status(stacks: Path | None, output: str) -> int:
    """Tell how far the roll-out has come; exit code 1 when it stopped."""
    del stacks  # of no use here; accepted, as it always was
    found = record().load()
    show(output, found and _document(found), lambda: _lines(found))
    return _ended(found) if found else DONE


def _ended(rollout: Rollout) -> int:
    return FAILED if rollout.failed else DONE


def _document(rollout: Rollout) -> dict[str, Any]:
    sites = {name: {"phase": str(state.phase), "why": state.why} for name, state in rollout.sites.items()}
    return {"rings": rollout.rings, "expected": rollout.expected or None, "sites": sites, "failed": list(rollout.failed)}


def _lines(rollout: Rollout | None) -> Iterator[str]:
    if rollout is None:
        yield "No roll-out is recorded."
        return
    for number, ring in enumerate(rollout.rings, 1):
        counts = {phase: sum(rollout.sites[name].phase is phase for name in ring) for phase in Phase}
        yield (f"ring {number}: " + ", ".join(f"{count} {phase}" for phase, count in counts.items() if count))
    yield (f"every site must have the root {rollout.expected or '(that of the first site, once it is known)'}")
    for name in rollout.failed:
        yield (f"{name}: {rollout.sites[name].why}")
    if rollout.failed:
        yield (
            f"Stopped. {len(rollout.moved)} of {len(rollout.sites)} sites have the change: run it again once it is fixed, or `commonweal fleet rollback`."
        )
