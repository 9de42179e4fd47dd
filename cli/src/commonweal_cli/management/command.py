"""The command `commonweal management`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence

from commonweal_local import management


def main(argv: Sequence[str]) -> int:
    """`commonweal management up|down|status`. Exit code 0: done, or for status: everything works."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="commonweal management", description="The cluster that makes the sites' clusters, on this machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start it, or leave it running, and bring its stack up")
    up.add_argument("--processes-only", action="store_true", help="do not run `pulumi up` of stacks/management")
    up.add_argument("--refresh", action="store_true", help="look at the cluster first, and set right what was changed by hand")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="end it; the sites that it knows go on")
    down.add_argument("--keep", action="store_true", help="keep its data; `up` finds it again")
    down.set_defaults(run=_down)
    status = commands.add_parser("status", help="how it is")
    status.add_argument("--json", action="store_true")
    status.set_defaults(run=_status)
    return parser


def _up(arguments: argparse.Namespace) -> int:
    from commonweal_cli.management.stack import apply  # noqa: PLC0415 - pulumi's packages are slow to import
    from commonweal_cli.site.operations import summary  # noqa: PLC0415

    up = management.up()
    if not arguments.processes_only:
        print(f"stacks/management: {summary(apply(refresh=arguments.refresh))}")
    print(f"ready; kubectl --kubeconfig {up.kubeconfig} get clusters -A")
    return 0


def _down(arguments: argparse.Namespace) -> int:
    left = management.down(keep=arguments.keep)
    for item in left:
        print(f"left behind: {item}; repeat the command, and look with `ps` who still uses it", file=sys.stderr)
    return 1 if left else 0


def _status(arguments: argparse.Namespace) -> int:
    found = management.status()
    if arguments.json:
        print(json.dumps(found.document(), indent=1))
    elif not found.running:
        print("The management cluster does not run. `commonweal management up` starts it.")
    else:
        state = "ready" if found.ready else "running, not ready"
        print(f"management: {state}; {found.server}; {found.memory_mib} MiB; {found.directory / 'kubeconfig'}")
        for name, works in found.controllers.items():
            print(f"  {name:<24} {'works' if works else 'does not work yet'}  {found.restarts.get(name, 0)} restarts")
        print(f"  {found.certificates}")
        if found.error:
            print(f"  {found.error}")
    return 0 if found.ready and all(found.controllers.values()) else 1
