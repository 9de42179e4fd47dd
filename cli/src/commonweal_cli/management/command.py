"""The command `commonweal management`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from commonweal_cli.conventions import DONE, FAILED, output_option, show
from commonweal_local import management as cluster

if TYPE_CHECKING:
    from commonweal_local.management.host import Status


@click.group()
def management() -> None:
    """The cluster that makes the sites' clusters, on this machine."""


@management.command()
@click.option("--processes-only", is_flag=True, help="do not run `pulumi up` of stacks/management")
@click.option("--refresh", is_flag=True, help="look at the cluster first, and set right what was changed by hand")
def up(processes_only: bool, refresh: bool) -> int:
    """Start it, or leave it running, and bring its stack up."""
    from commonweal_cli.management.stack import apply  # noqa: PLC0415 - pulumi's packages are slow to import
    from commonweal_cli.site.operations import summary  # noqa: PLC0415

    up = cluster.up()
    if not processes_only:
        print(f"stacks/management: {summary(apply(refresh=refresh))}")
    print(f"ready; kubectl --kubeconfig {up.kubeconfig} get clusters -A")
    return DONE


@management.command()
@click.option("--keep", is_flag=True, help="keep its data; `up` finds it again")
def down(keep: bool) -> int:
    """End it; the sites that it knows go on."""
    left = cluster.down(keep=keep)
    for item in left:
        print(f"left behind: {item}; repeat the command, and look with `ps` who still uses it", file=sys.stderr)
    return FAILED if left else DONE


@management.command()
@output_option
def status(output: str) -> int:
    """Say how it is; exit code 0 when everything works."""
    found = cluster.status()
    show(output, found.document(), lambda: _lines(found))
    return DONE if found.ready and all(found.controllers.values()) else FAILED


def _lines(found: Status) -> Iterator[str]:
    if not found.running:
        yield "The management cluster does not run. `commonweal management up` starts it."
        return
    state = "ready" if found.ready else "running, not ready"
    yield f"management: {state}; {found.server}; {found.memory_mib} MiB; {found.directory / 'kubeconfig'}"
    for name, works in found.controllers.items():
        yield f"  {name:<24} {'works' if works else 'does not work yet'}  {found.restarts.get(name, 0)} restarts"
    yield f"  {found.certificates}"
    if found.error:
        yield f"  {found.error}"
