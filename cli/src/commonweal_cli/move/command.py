"""`commonweal move DEPARTMENT --from A --to B`. Exit code 0: moved; 1: not, and the text says why and what to do."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from commonweal_cli.exceptions import KubectlError
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.move import preflight
from commonweal_cli.move.endpoint import End
from commonweal_cli.move.mover import Mover, estimate
from commonweal_local import paths, toolchain
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Progress
from commonweal_stacks.clusters import cluster_of
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.site import SITE_KEY, parse_site, stack_file


def main(words: Sequence[str]) -> int:
    """Run the command."""
    arguments = _parser().parse_args(words)
    with tempfile.TemporaryDirectory(prefix="commonweal-move-") as folder:
        source = End(arguments.department, _cluster(arguments.source, arguments.from_kubeconfig, Path(folder)))
        target = End(arguments.department, _cluster(arguments.target, arguments.to_kubeconfig, Path(folder)))
        mover = Mover(
            source, target, Progress(), accept_closed=arguments.accept_closed, keep=arguments.keep, most_frozen=arguments.most_frozen
        )
        try:
            return _run(arguments, mover)
        except KubectlError as error:
            raise LocalError(error.what, "Check that both sites answer and that you are their administrator.") from error


def _run(arguments: argparse.Namespace, mover: Mover) -> int:
    if arguments.source == arguments.target:
        raise LocalError("--from and --to name the same site", "Name two.")
    if arguments.dry_run:
        facts = mover.check()
        sys.stdout.write(estimate(facts, mover.manifests, preflight.seen(mover.source, mover.target)) + "\n")
        return 0
    if arguments.abort:
        mover.abort()
        sys.stdout.write(f"{arguments.department} stays at {arguments.source}; nothing of the move is left at {arguments.target}\n")
        return 0
    made = mover.run()
    sys.stdout.write(f"{arguments.department} is at {arguments.target}; report: {mover.file}\n")
    if "certificate" in made["numbers"]:
        sys.stdout.write(f"erased at {arguments.source}; certificate: {made['numbers']['certificate']}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="commonweal move", description="Move a department, with all that its store holds, from one site to another."
    )
    parser.add_argument("department", metavar="DEPARTMENT")
    parser.add_argument("--from", dest="source", required=True, metavar="SITE", help="where it is")
    parser.add_argument("--to", dest="target", required=True, metavar="SITE", help="where it is to be")
    parser.add_argument(
        "--from-kubeconfig", type=Path, metavar="FILE", help="an administrator's kubeconfig, for a site without a stack file here"
    )
    parser.add_argument("--to-kubeconfig", type=Path, metavar="FILE", help="the same of the other site")
    parser.add_argument("--dry-run", action="store_true", help="look at both sites and say what would be done")
    parser.add_argument("--accept-closed", action="store_true", help="move although some agreements will be closed at the new site")
    parser.add_argument(
        "--keep", action="store_true", help="do not erase at the old site yet; it serves no more. Run again without it to erase"
    )
    parser.add_argument(
        "--most-frozen",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="give up, and serve at the old site, when uses are refused for longer (300)",
    )
    parser.add_argument("--abort", action="store_true", help="call a move off that has not handed over yet")
    return parser


def _cluster(site: str, file: Path | None, folder: Path) -> Kubectl:
    kubectl = toolchain.path_of("kubectl")
    own = paths.home() / "sites" / site / "kubeconfig"
    if file is None and own.is_file():
        return Kubectl(kubectl, own, site)
    kept = paths.write(folder / f"{site}.kubeconfig", _kubeconfig(site, file), mode=0o600)
    return Kubectl(kubectl, kept, site)


def _kubeconfig(site: str, file: Path | None) -> str:
    try:
        if file is not None:
            return file.read_text(encoding="utf-8")
        stack = paths.source() / "stacks" / "site" / stack_file(site)
        config = yaml.safe_load(stack.read_text(encoding="utf-8"))["config"]
        return cluster_of(parse_site(config.get(SITE_KEY), stack=site)).kubeconfig()
    except (OSError, KeyError, TypeError, yaml.YAMLError, SiteConfigError) as error:
        raise LocalError(
            f"There is no kubeconfig of {site}: {error}", "Name a site that is up, or give its kubeconfig as a file."
        ) from error
