"""`commonweal fleet`: a change for many sites, in rings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from commonweal_cli.fleet.rings import DEFAULT, rings
from commonweal_cli.fleet.roll import AT_ONCE, back, begin, roll
from commonweal_cli.fleet.sites import RealSites, every_site
from commonweal_cli.fleet.state import Phase, Record, Rollout
from commonweal_local import paths
from commonweal_local.progress import Progress

DONE, STOPPED = 0, 1


def folder() -> Path:
    """Return where the state of roll-outs lies."""
    return paths.home() / "fleet"


def main(argv: Sequence[str]) -> int:
    """`commonweal fleet rings|roll|status|rollback`. Exit code 0: done; 1: stopped, with the site, the leaf and what to do."""
    args = _parser().parse_args(list(argv))
    record = Record(folder() / "roll.json")
    if args.command == "status":
        return _status(record.load())
    project = args.stacks or paths.source() / "stacks" / "site"
    sites = RealSites(project, folder() / "projects")
    with paths.one_at_a_time(folder()):
        if args.command == "rollback":
            return _tell_back(back(record, sites, Progress(), args.sites))
        made = rings(args.sites or (every_site(project) if args.all else []), args.rings)
        if args.command == "rings":
            for number, ring in enumerate(made, 1):
                print(f"ring {number}: {len(ring)}: {', '.join(ring)}")
            return DONE
        begin(record, made, args.expect or "", anew=args.anew)
        return _status(roll(record, sites, Progress(), at_once=args.at_once))


def _status(rollout: Rollout | None) -> int:
    if rollout is None:
        print("No roll-out is recorded.")
        return DONE
    for number, ring in enumerate(rollout.rings, 1):
        counts = {phase: sum(rollout.sites[name].phase is phase for name in ring) for phase in Phase}
        print(f"ring {number}: " + ", ".join(f"{count} {phase}" for phase, count in counts.items() if count))
    print(f"every site must have the root {rollout.expected or '(that of the first site, once it is known)'}")
    for name in rollout.failed:
        print(f"{name}: {rollout.sites[name].why}")
    if rollout.failed:
        print(
            f"Stopped. {len(rollout.moved)} of {len(rollout.sites)} sites have the change: run it again once it is fixed, or `commonweal fleet rollback`."
        )
    return STOPPED if rollout.failed else DONE


def _tell_back(rollout: Rollout) -> int:
    for name, state in rollout.sites.items():
        if state.phase is Phase.BACK or state.why:
            print(f"{name}: {state.phase}{f': {state.why}' if state.why else ''}")
    print("The stack files still say what was rolled back: put them back, too, before the next `commonweal site up`.")
    return STOPPED if rollout.failed else DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="commonweal fleet", description="Bring a change to many sites, in rings; stop at the first that is not alike."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("rings", "tell which sites get a change when"), ("roll", "roll out what the stack files say")):
        command = commands.add_parser(name, help=text)
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument("--sites", type=_words, metavar="A,B,...", help="the sites, the canary first")
        which.add_argument("--all", action="store_true", help="every site that has a stack file")
        command.add_argument("--rings", type=_words, default=list(DEFAULT), metavar="SIZES", help=f"default: {','.join(DEFAULT)}")
        if name == "roll":
            command.add_argument("--expect", metavar="ROOT", help="the root that every site must have (default: the first site's own)")
            command.add_argument("--anew", action="store_true", help="begin again with the canary, as after a change of the stack files")
            command.add_argument("--at-once", type=int, default=AT_ONCE, metavar="N", help=f"sites at the same time (default: {AT_ONCE})")
    undo = commands.add_parser("rollback", help="bring the sites back to the settings they had")
    undo.add_argument("--sites", type=_words, default=[], metavar="A,B,...", help="only these (default: all that have the change)")
    commands.add_parser("status", help="tell how far the roll-out has come")
    for command in commands.choices.values():
        command.add_argument("--stacks", type=Path, help="directory of the stack files (default: stacks/site of the checkout)")
    return parser


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]
