"""The command `commonweal`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence

from commonweal_local import surroundings
from commonweal_local.failure import LocalError
from commonweal_local.progress import Progress
from commonweal_local.shell import CommandFailed
from commonweal_cli.local import life as life_of_a_site

INTERRUPTED = 130
# These parse their own arguments: the command, and the function that takes the words after it.
PASSED_ON = {
    "agreement": "commonweal_cli.agreements:main",
    "audit": "commonweal_cli.audit:main",
    "bundle": "commonweal_cli.bundle:main",
    "conform": "commonweal_cli.conform:main",
    "demo": "commonweal_cli.demo.command:main",
    "erasure": "commonweal_cli.site.decommission:erasure_main",
    "fleet": "commonweal_cli.fleet:main",
    "journey": "commonweal_cli.demo.command:main",
    "lint": "commonweal_cli.lockin:lint_main",
    "management": "commonweal_local.management:main",
    "move": "commonweal_cli.move.command:main",
    "receipt": "commonweal_cli.audit:main",
    "score": "commonweal_cli.lockin:score_main",
    "site": "commonweal_cli.site.operations:main",
}
# These share a function with another command, and tell by their own name what is wanted.
WITH_THEIR_NAME = ("audit", "journey", "receipt")
# What these need beyond a plain install has an extra's name in pyproject.toml.
EXTRAS = {"demo": "demo", "journey": "demo"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 when it did what was asked. Expected failures are one line that says what to do next."""
    try:
        if argv is None:
            surroundings.set_right()
        words = list(sys.argv[1:] if argv is None else argv)
        if words and words[0] in PASSED_ON:
            return _passed_on(words)
        arguments = _parser().parse_args(words)
        run: Callable[[argparse.Namespace], int] = arguments.run
        return run(arguments)
    except (LocalError, CommandFailed, TimeoutError) as error:
        print(f"commonweal: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("commonweal: interrupted; repeating the command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        explained = surroundings.explained(error)
        if explained is None:
            raise
        print(f"commonweal: {explained}", file=sys.stderr)
        return 1


def _passed_on(words: Sequence[str]) -> int:
    """Other parts' commands: imported only when called, so that this one starts fast and needs no more than it uses."""
    module, _, function = PASSED_ON[words[0]].partition(":")
    try:
        run: Callable[[Sequence[str]], int] = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        _explain_absence(words[0], error)
        raise
    return run(words if words[0] in WITH_THEIR_NAME else words[1:])


def _explain_absence(command: str, error: ModuleNotFoundError) -> None:
    """Raise LocalError when what is absent is a package that the command's extra brings; any other absent module is a fault of ours."""
    extra = EXTRAS.get(command)
    if extra and not (error.name or "").startswith("commonweal"):
        raise LocalError(
            f"`commonweal {command}` needs the Python package {error.name}, which a plain install does not bring",
            f"`pip install 'commonweal[{extra}]'`; in a checkout, `make venv`.",
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="commonweal", description="Commonweal on one machine: real clusters, images, the demonstration.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_local(commands)
    _command(commands, "tools", "find the programs, building what is nowhere", _tools).add_argument("names", nargs="*", metavar="NAME")
    _command(commands, "images", "build the container images", _images)
    doctor = _command(commands, "doctor", "say what this machine lacks", _doctor)
    doctor.add_argument("--install", action="store_true", help="install the missing Debian packages (as root)")
    for name, text in (
        ("agreement", "sign and check what departments agree: commonweal agreement sign|verify|show NAME"),
        ("audit", "check who read what: commonweal audit verify DEPARTMENT; commonweal audit proof FILE --jwks FILE"),
        ("receipt", "check what a department acknowledged: commonweal receipt verify FILE --jwks FILE"),
        ("bundle", "everything that a machine without a network needs: commonweal bundle make|verify|open FILE"),
        (
            "conform",
            "compare two sites: commonweal conform SITE SITE; commonweal conform sign SITE; commonweal conform verify FILE --key FILE",
        ),
        ("fleet", "a change for many sites, in rings: commonweal fleet rings|roll|status|rollback"),
        ("demo", "bring everything up, with data"),
        ("move", "move a department with all its data: commonweal move DEPARTMENT --from SITE --to SITE"),
        ("erasure", "check a certificate of erasure: commonweal erasure verify FILE --key FILE"),
        ("journey", "walk through the example again, on the sites that are up"),
        ("lint", "what in manifests binds a department to one provider: commonweal lint FILE..."),
        ("management", "the cluster that makes sites' clusters: commonweal management up|down|status"),
        ("score", "how free a department is to leave: commonweal score [DEPARTMENT] --site SITE"),
        ("site", "pulumi for a site: commonweal site up|preview|destroy|env|decommission SITE"),
    ):
        _command(commands, name, text, lambda _: 2)
    return parser


def _add_local(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    local = commands.add_parser("local", help="clusters on this machine").add_subparsers(required=True, metavar="COMMAND")
    up = _command(local, "up", "start sites, or leave them running", _up)
    up.add_argument("sites", nargs="+", metavar="SITE")
    up.add_argument("--mode", choices=("pods", "control-plane"), help="default: pods as root, control-plane otherwise")
    up.add_argument("--image", action="append", default=[], metavar="ARCHIVE", help="an image archive (default: those of images.json)")
    down = _command(local, "down", "end sites (all, when none is named) and remove what they left", _down)
    down.add_argument("sites", nargs="*", metavar="SITE")
    down.add_argument("--keep", action="store_true", help="keep the data; `up` finds it again")
    _command(local, "status", "how the sites are", _status).add_argument("--json", action="store_true")
    load = _command(local, "load", "import images into the running sites", _load)
    load.add_argument("archives", nargs="*", metavar="ARCHIVE", help="default: the images of images.json")
    execute = _command(local, "exec", "run a program inside a site", _exec)
    execute.add_argument("site", metavar="SITE")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="PROGRAM ...")
    cut = _command(local, "cut", "cut a site off from the network", _cut)
    cut.add_argument("site", metavar="SITE")
    cut.add_argument("--between", action="store_true", help="from the other sites only; the host still reaches it")
    _command(local, "restore", "undo cut", _restore).add_argument("site", metavar="SITE")
    life_of_a_site.add(local, _command)


def _command(
    into: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = into.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=run)
    return parser


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

    sites.restore(arguments.site)
    return 0


def _tools(arguments: argparse.Namespace) -> int:
    from commonweal_local import toolchain  # noqa: PLC0415

    tools = toolchain.ensure(arguments.names, Progress()) if arguments.names else toolchain.everything(Progress())
    for tool in tools.values():
        print(f"{tool.name:<24} {tool.path}  ({tool.origin.value})")
    return 0


def _images(_: argparse.Namespace) -> int:
    from commonweal_local import paths  # noqa: PLC0415
    from commonweal_local.images import archives, builder  # noqa: PLC0415

    for reference in builder.build_for_sites(Progress()).values():
        archive = archives.archive_path(reference)
        print(f"{reference}  {archive} ({archive.stat().st_size / 1e6:.0f} MB)")
    print(f"written to {paths.images_file()}")
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from commonweal_local import debian, doctor  # noqa: PLC0415

    if arguments.install:
        debian.install(debian.missing(debian.ALL_PACKAGES), Progress())
    findings = doctor.examine()
    for finding in findings:
        print(finding.line())
    fit = doctor.is_fit(findings)
    print("\nThis machine has what is needed." if fit else "\nSomething that is needed is missing; see the arrows.")
    return 0 if fit else 1


if __name__ == "__main__":
    sys.exit(main())
