"""`commonweal tools`, `images` and `doctor`: what this machine has, and what it lacks. Everything slow is imported when it is needed."""

from __future__ import annotations

import argparse

from commonweal_cli.arguments import command
from commonweal_local.progress import Progress


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to `commonweal`."""
    command(commands, "tools", "find the programs, building what is nowhere", _tools).add_argument("names", nargs="*", metavar="NAME")
    command(commands, "images", "build the container images", _images)
    doctor = command(commands, "doctor", "say what this machine lacks", _doctor)
    doctor.add_argument("--install", action="store_true", help="install the missing Debian packages (as root)")


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
