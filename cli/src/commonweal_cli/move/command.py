"""`commonweal move DEPARTMENT --from A --to B`. Exit code 0: moved; 1: not, and the text says why and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from commonweal_cli.conventions import DONE
from commonweal_cli.exceptions import KubectlError
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.move import preflight
from commonweal_cli.move.endpoint import End
from commonweal_cli.move.mover import Mover, estimate
from commonweal_cli.where import FILE, SITE, login
from commonweal_local import toolchain
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Progress


@click.command()
@click.argument("department", metavar="DEPARTMENT")
@click.option("--from", "source", required=True, type=SITE, metavar="SITE", help="where it is")
@click.option("--to", "target", required=True, type=SITE, metavar="SITE", help="where it is to be")
@click.option("--from-kubeconfig", type=FILE, metavar="FILE", help="an administrator's kubeconfig, for a site without a stack file here")
@click.option("--to-kubeconfig", type=FILE, metavar="FILE", help="the same of the other site")
@click.option("--dry-run", is_flag=True, help="look at both sites and say what would be done")
@click.option("--accept-closed", is_flag=True, help="move although some agreements will be closed at the new site")
@click.option("--keep", is_flag=True, help="do not erase at the old site yet; it serves no more. Run again without it to erase")
@click.option(
    "--most-frozen",
    type=float,
    default=300.0,
    metavar="SECONDS",
    help="give up, and serve at the old site, when uses are refused for longer (300)",
)
@click.option("--abort", is_flag=True, help="call a move off that has not handed over yet")
def move(
    department: str,
    source: str,
    target: str,
    from_kubeconfig: Path | None,
    to_kubeconfig: Path | None,
    dry_run: bool,
    accept_closed: bool,
    keep: bool,
    most_frozen: float,
    abort: bool,
) -> int:
    """Move a department, with all that its store holds, from one site to another."""
    if source == target:
        raise LocalError("--from and --to name the same site", "Name two.")
    kubectl = toolchain.path_of("kubectl")
    with login(source, from_kubeconfig) as here, login(target, to_kubeconfig) as there:
        ends = End(department, Kubectl(kubectl, here, source)), End(department, Kubectl(kubectl, there, target))
        mover = Mover(*ends, Progress(), accept_closed=accept_closed, keep=keep, most_frozen=most_frozen)
        try:
            return _run(mover, department, (source, target), dry_run=dry_run, abort=abort)
        except KubectlError as error:
            raise LocalError(error.what, "Check that both sites answer and that you are their administrator.") from error


def _run(mover: Mover, department: str, between: tuple[str, str], *, dry_run: bool, abort: bool) -> int:
    source, target = between
    if dry_run:
        facts = mover.check()
        sys.stdout.write(estimate(facts, mover.manifests, preflight.seen(mover.source, mover.target)) + "\n")
        return DONE
    if abort:
        mover.abort()
        sys.stdout.write(f"{department} stays at {source}; nothing of the move is left at {target}\n")
        return DONE
    made = mover.run()
    sys.stdout.write(f"{department} is at {target}; report: {mover.file}\n")
    if "certificate" in made["numbers"]:
        sys.stdout.write(f"erased at {source}; certificate: {made['numbers']['certificate']}\n")
    return DONE
