"""`commonweal local`: clusters on this machine. Everything slow is imported when it is needed."""

from __future__ import annotations

import argparse
import json
import os
import sys

from commonweal_cli.arguments import command
from commonweal_cli.local import life
from commonweal_local.exceptions import LocalError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to `commonweal`."""
    local = commands.add_parser("local", help="clusters on this machine").add_subparsers(required=True, metavar="COMMAND")
    up = command(local, "up", "start sites, or leave them running", _up)
    up.add_argument("sites", nargs="+", metavar="SITE")
    up.add_argument("--mode", choices=("pods", "control-plane"), help="default: pods as root, control-plane otherwise")
    up.add_argument("--image", action="append", default=[], metavar="ARCHIVE", help="an image archive (default: those of images.json)")
    down = command(local, "down", "end sites (all, when none is named) and remove what they left", _down)
    down.add_argument("sites", nargs="*", metavar="SITE")
    down.add_argument("--keep", action="store_true", help="keep the data; `up` finds it again")
    command(local, "status", "how the sites are", _status).add_argument("--json", action="store_true")
    load = command(local, "load", "import images into the running sites", _load)
    load.add_argument("archives", nargs="*", metavar="ARCHIVE", help="default: the images of images.json")
    execute = command(local, "exec", "run a program inside a site", _exec)
    execute.add_argument("site", metavar="SITE")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="PROGRAM ...")
    cut = command(local, "cut", "cut a site off from the network", _cut)
    cut.add_argument("site", metavar="SITE")
    cut.add_argument("--between", action="store_true", help="from the other sites only; the host still reaches it")
    command(local, "restore", "undo cut", _restore).add_argument("site", metavar="SITE")
    life.add(local)


def _up(arguments: argparse.Namespace) -> int:
    from commonweal_local import sites  # noqa: PLC0415

    mode = sites.Mode(arguments.mode) if arguments.mode else None
    up = sites.up(arguments.sites, arguments.image or _images_there(), mode=mode)
    for site in up:
        print(f"{site.name}: ready; kubectl --kubeconfig {site.kubeconfig} get nodes")
    if not all(site.runs_pods for site in up):
        print(
            "Control planes only: objects and admission are real; nodes and pods are simulated, and no container runs. As root, pods are real."
        )
    return 0


def _images_there() -> list[str]:
    """The images that were built, or none: a site is of use without them."""
    from commonweal_local.images import builder  # noqa: PLC0415

    try:
        return list(builder.built().values())
    except LocalError:
        return []


def _down(arguments: argparse.Namespace) -> int:
    from commonweal_local import sites  # noqa: PLC0415

    for name in arguments.sites:
        sites.find(name)  # says so when there is none of that name
    left = sites.down(arguments.sites, keep=arguments.keep)
    for item in left:
        print(f"left behind: {item}; repeat the command, and look with `ps` and `mount` who still uses it", file=sys.stderr)
    return 1 if left else 0


def _status(arguments: argparse.Namespace) -> int:
    from commonweal_local import sites  # noqa: PLC0415

    found = sites.status()
    if arguments.json:
        print(json.dumps([site.document() for site in found], indent=1))
        return 0
    if not found:
        print("There are no sites. `commonweal local up NAME` makes one.")
    for site in found:
        state = "ready" if site.ready else "running, not ready" if site.running else "down"
        print(f"{site.name}: {state}; {site.mode}; {site.server}; {site.processes} processes, {site.memory_mib} MiB; {site.kubeconfig}")
        if site.error:
            print(f"  {site.error}")
        if site.certificates:
            print(f"  {site.certificates}")
        for name, part in site.components.items():
            print(f"  {name:<24} {part.memory_mib:>4} MiB  {part.restarts} restarts  {f'pid {part.pid}' if part.pid else 'down'}")
    return 0


def _load(arguments: argparse.Namespace) -> int:
    from commonweal_local import sites  # noqa: PLC0415
    from commonweal_local.images import builder  # noqa: PLC0415

    loaded = sites.load(arguments.archives or list(builder.built().values()))
    if not loaded:
        raise LocalError("No site runs", "`commonweal local up NAME` starts one.")
    for name, images in loaded.items():
        print(f"{name}: {', '.join(images) or 'had them all'}")
    return 0


def _exec(arguments: argparse.Namespace) -> int:
    from commonweal_local import sites  # noqa: PLC0415
    from commonweal_local.sites import host  # noqa: PLC0415

    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        raise LocalError(
            "There is no program to run", f"`commonweal local exec {arguments.site} -- ctr -n k8s.io images list`, for example."
        )
    command = [*host.inside(sites.find(arguments.site)), *words]
    os.execvp(command[0], command)


def _cut(arguments: argparse.Namespace) -> int:
    from commonweal_local import sites  # noqa: PLC0415

    sites.cut(arguments.site, between=arguments.between)
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    from commonweal_local import sites  # noqa: PLC0415

    sites.reconnect(arguments.site)
    return 0
