"""`commonweal local`: clusters on this machine. Everything slow is imported when it is needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from commonweal_cli.conventions import DONE, FAILED, Lazy, LazyGroup, output_option, show
from commonweal_cli.where import SITE, site_argument
from commonweal_local.exceptions import LocalError

if TYPE_CHECKING:
    from commonweal_local.sites.state import Status

LIFE = {
    "open": Lazy("commonweal_cli.local.pages:open_pages", "print where a site's pages for people are, and open them in a browser"),
    "backup": Lazy("commonweal_cli.local.life:backup", "write a snapshot of a site's etcd to a file, and its keys beside it"),
    "restore-etcd": Lazy("commonweal_cli.local.life:restore_etcd", "make a site what it was at a backup"),
    "rotate": Lazy("commonweal_cli.local.life:rotate", "issue a site's certificates again, without ending a pod"),
}


@click.group(cls=LazyGroup, lazy=LIFE)
def local() -> None:
    """Clusters on this machine."""


@local.command()
@click.argument("names", nargs=-1, required=True, metavar="SITE...", type=SITE)
@click.option("--mode", type=click.Choice(["pods", "control-plane"]), help="default: pods as root, control-plane otherwise")
@click.option("--image", "images", multiple=True, metavar="ARCHIVE", help="an image archive (default: those of images.json)")
def up(names: tuple[str, ...], mode: str | None, images: tuple[str, ...]) -> int:
    """Start sites, or leave them running."""
    from commonweal_local import sites  # noqa: PLC0415

    up = sites.up(list(names), list(images) or _images_there(), mode=sites.Mode(mode) if mode else None)
    for site in up:
        print(f"{site.name}: ready; kubectl --kubeconfig {site.kubeconfig} get nodes")
    if not all(site.runs_pods for site in up):
        print(
            "Control planes only: objects and admission are real; nodes and pods are simulated, and no container runs. As root, pods are real."
        )
    return DONE


def _images_there() -> list[str]:
    """The images that were built, or none: a site is of use without them."""
    from commonweal_local.images import builder  # noqa: PLC0415

    try:
        return list(builder.built().values())
    except LocalError:
        return []


@local.command()
@click.argument("names", nargs=-1, metavar="[SITE]...", type=SITE)
@click.option("--keep", is_flag=True, help="keep the data; `up` finds it again")
def down(names: tuple[str, ...], keep: bool) -> int:
    """End sites (all, when none is named) and remove what they left."""
    from commonweal_local import sites  # noqa: PLC0415

    for name in names:
        sites.find(name)  # says so when there is none of that name
    left = sites.down(list(names), keep=keep)
    for item in left:
        print(f"left behind: {item}; repeat the command, and look with `ps` and `mount` who still uses it", file=sys.stderr)
    return FAILED if left else DONE


@local.command()
@output_option
def status(output: str) -> int:
    """Say how the sites are."""
    from commonweal_local import sites  # noqa: PLC0415

    found = sites.status()
    show(output, [site.document() for site in found], lambda: _lines(found))
    return DONE


def _lines(found: list[Status]) -> Iterator[str]:
    if not found:
        yield "There are no sites. `commonweal local up NAME` makes one."
    for site in found:
        state = "ready" if site.ready else "running, not ready" if site.running else "down"
        yield f"{site.name}: {state}; {site.mode}; {site.server}; {site.processes} processes, {site.memory_mib} MiB; {site.kubeconfig}"
        yield from (f"  {text}" for text in (site.error, site.certificates) if text)
        for name, part in site.components.items():
            yield f"  {name:<24} {part.memory_mib:>4} MiB  {part.restarts} restarts  {f'pid {part.pid}' if part.pid else 'down'}"


@local.command()
@click.argument("archives", nargs=-1, metavar="[ARCHIVE]...")
def load(archives: tuple[str, ...]) -> int:
    """Import images into the running sites: the given archives, or those of images.json."""
    from commonweal_local import sites  # noqa: PLC0415
    from commonweal_local.images import builder  # noqa: PLC0415

    loaded = sites.load(list(archives) or list(builder.built().values()))
    if not loaded:
        raise LocalError("No site runs", "`commonweal local up NAME` starts one.")
    for name, images in loaded.items():
        print(f"{name}: {', '.join(images) or 'had them all'}")
    return DONE


@local.command("exec", context_settings={"allow_interspersed_args": False})
@site_argument
@click.argument("words", nargs=-1, metavar="[--] PROGRAM ...", type=click.UNPROCESSED)
def execute(site: str, words: tuple[str, ...]) -> int:
    """Run a program inside a site."""
    from commonweal_local import sites  # noqa: PLC0415
    from commonweal_local.sites import host  # noqa: PLC0415

    program = words[1:] if words[:1] == ("--",) else words
    if not program:
        raise LocalError("There is no program to run", f"`commonweal local exec {site} -- ctr -n k8s.io images list`, for example.")
    command = [*host.inside(sites.find(site)), *program]
    os.execvp(command[0], command)


@local.command()
@site_argument
@click.option("--between", is_flag=True, help="from the other sites only; the host still reaches it")
def cut(site: str, between: bool) -> int:
    """Cut a site off from the network."""
    from commonweal_local import sites  # noqa: PLC0415

    sites.cut(site, between=between)
    return DONE


@local.command()
@site_argument
def restore(site: str) -> int:
    """Undo cut."""
    from commonweal_local import sites  # noqa: PLC0415

    sites.reconnect(site)
    return DONE
