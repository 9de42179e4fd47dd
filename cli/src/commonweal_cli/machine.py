"""`commonweal tools`, `images` and `doctor`: what this machine has, and what it lacks. Everything slow is imported when it is needed."""

from __future__ import annotations

import click

from commonweal_cli.conventions import DONE, FAILED, output_option, show
from commonweal_local.progress import Progress


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@output_option
def tools(names: tuple[str, ...], output: str) -> int:
    """Find the programs, building what is nowhere."""
    from commonweal_local import toolchain  # noqa: PLC0415

    found = (toolchain.ensure(names, Progress()) if names else toolchain.everything(Progress())).values()
    document = [{"name": tool.name, "path": str(tool.path), "origin": tool.origin.value} for tool in found]
    show(output, document, lambda: (f"{tool.name:<24} {tool.path}  ({tool.origin.value})" for tool in found))
    return DONE


@click.command()
@output_option
def images(output: str) -> int:
    """Build the container images."""
    from commonweal_local import paths  # noqa: PLC0415
    from commonweal_local.images import archives, builder  # noqa: PLC0415

    built = {reference: archives.archive_path(reference) for reference in builder.build_for_sites(Progress()).values()}
    sizes = {reference: archive.stat().st_size for reference, archive in built.items()}
    document = [{"image": reference, "archive": str(archive), "bytes": sizes[reference]} for reference, archive in built.items()]
    lines = [f"{reference}  {archive} ({sizes[reference] / 1e6:.0f} MB)" for reference, archive in built.items()]
    show(output, document, lambda: iter([*lines, f"written to {paths.images_file()}"]))
    return DONE


@click.command()
@click.option("--install", is_flag=True, help="install the missing Debian packages (as root)")
@output_option
def doctor(install: bool, output: str) -> int:
    """Say what this machine lacks; exit code 1 when something that is needed is missing."""
    from commonweal_local import debian  # noqa: PLC0415
    from commonweal_local import doctor as examination  # noqa: PLC0415

    if install:
        debian.install(debian.missing(debian.ALL_PACKAGES), Progress())
    findings = examination.examine()
    fit = examination.is_fit(findings)
    document = [{"subject": f.subject, "verdict": f.verdict.value, "found": f.found, "remedy": f.remedy} for f in findings]
    said = "This machine has what is needed." if fit else "Something that is needed is missing; see the arrows."
    show(output, document, lambda: iter([*(finding.line() for finding in findings), "", said]))
    return DONE if fit else FAILED
