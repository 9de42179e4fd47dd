"""`commonweal department split|end DEPARTMENT --site SITE`. Exit code 0: done; 1: not, and the text says why and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from commonweal_cli.conventions import DONE
from commonweal_cli.exceptions import KubectlError
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.move import ending
from commonweal_cli.move.endpoint import End
from commonweal_cli.move.split import Splitter, has_store
from commonweal_cli.where import cluster_options, login
from commonweal_local import toolchain
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Progress


@click.group()
def department() -> None:
    """What the platform team does with a department."""


@department.command()
@click.argument("name", metavar="DEPARTMENT")
@cluster_options(required=True)
@click.option(
    "--remove-old", is_flag=True, help="remove the old store, its claim and its keys once the new one serves; without it they are kept"
)
@click.option(
    "--most-frozen",
    type=float,
    default=300.0,
    metavar="SECONDS",
    help="give up, and serve from the old store, when uses are refused for longer (300)",
)
def split(name: str, site: str | None, kubeconfig: Path | None, remove_old: bool, most_frozen: float) -> int:
    """Take a department's store and keys out of its own namespace into the platform's for it."""
    with login(site, kubeconfig) as here:
        cluster = Kubectl(toolchain.path_of("kubectl"), here, site or "the site")
        old, new = End(name, cluster, unsplit=True), End(name, cluster)
        try:
            Splitter(old, new, Progress(), keep=not remove_old, most_frozen=most_frozen).run()
            kept = has_store(old)
        except KubectlError as error:
            raise LocalError(error.what, "Check that the site answers and that you are its administrator.") from error
    sys.stdout.write(f"The store of {name} is in {new.home}.\n")
    if kept:
        where = f"--site {site}" if site else f"--kubeconfig {kubeconfig}"
        sys.stdout.write(
            f"The old one in {old.home} serves no more and is kept. See that `commonweal audit verify {name} {where}` says that all holds; "
            f"then: commonweal department split {name} {where} --remove-old\n"
        )
    return DONE


@department.command()
@click.argument("name", metavar="DEPARTMENT")
@cluster_options(required=True)
@click.option("--confirm", metavar="DEPARTMENT", help="its name once more: end it. Without this, only say what would go")
@click.option("--unreachable", is_flag=True, help="let it go although a store, a department or a site does not answer")
@click.option(
    "--within", "seconds", type=float, default=600.0, metavar="SECONDS", help="give up waiting after so long; it goes on by itself (600)"
)
def end(name: str, site: str | None, kubeconfig: Path | None, confirm: str | None, unreachable: bool, seconds: float) -> int:
    """End a department for good: close access, tell its parties, then remove it with all its data. Repeating goes on."""
    if confirm not in (None, name):
        raise LocalError(f"--confirm {confirm} is not the department's name", f"Give --confirm {name}.")
    with login(site, kubeconfig) as here:
        cluster = Kubectl(toolchain.path_of("kubectl"), here, site or "the site")
        try:
            return _end(name, cluster, confirmed=confirm is not None, unreachable=unreachable, seconds=seconds)
        except KubectlError as error:
            raise LocalError(error.what, "Check that the site answers and that you are its administrator.") from error


def _end(name: str, cluster: Kubectl, *, confirmed: bool, unreachable: bool, seconds: float) -> int:
    where, found = ending.looked_up(name, cluster)
    if found is not None:
        sys.stdout.write("".join(f"{line}\n" for line in (*ending.what_goes(found), ending.holdings(where))))
    if not confirmed:
        sys.stdout.write(f"Nothing was done. To end it: the same command with --confirm {name}\n")
        return DONE
    ending.end(where, Progress().say, unreachable=unreachable, seconds=seconds)
    sys.stdout.write(f"{name} is gone.\n")
    return DONE
