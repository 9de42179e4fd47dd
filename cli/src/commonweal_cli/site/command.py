"""The command `commonweal site`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from commonweal_cli.site import decommission, operations
from commonweal_local.exceptions import LocalError


def main(argv: Sequence[str]) -> int:
    """`commonweal site up|preview|destroy|env|decommission NAME`. Exit code 0: done; 1: failed, with the reason on standard error."""
    if argv[:1] == ["decommission"]:
        return decommission.main(argv[1:])
    parser = argparse.ArgumentParser(prog="commonweal site", description="Make a site with the platform on it, or take it down.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("up", "bring the site to its stack file"), ("preview", "tell what up would change")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--refresh", action="store_true", help="look at the clusters first, to see what was changed by hand")
        command.add_argument("site")
    gone = commands.add_parser("destroy", help="take the platform and the cluster down; of an adopted site everything of ours")
    gone.add_argument("--delete-departments", action="store_true", help="delete its departments first, with all their data")
    gone.add_argument("site")
    by_hand = commands.add_parser("env", help='for `eval "$(commonweal site env SITE)"`: what `pulumi` by hand, in stacks/site, needs')
    by_hand.add_argument("site")
    commands.add_parser("decommission", help="take the site down for good, and certify what was erased")
    args = parser.parse_args(argv)
    try:
        print(_carry_out(args))
    except LocalError as error:
        print(str(error), file=sys.stderr)
        return 1
    return 0


def _carry_out(args: argparse.Namespace) -> str:
    if args.command == "env":
        found = operations.environment(args.site, say=lambda line: print(line, file=sys.stderr))
        return "\n".join(f"export {key}={shlex.quote(value)}" for key, value in found.items())
    if args.command == "destroy":
        return operations.summary(operations.destroy(args.site, delete_departments=args.delete_departments))
    return operations.summary((operations.up if args.command == "up" else operations.preview)(args.site, refresh=args.refresh))
