"""Opening an archive: its files into one directory, a Python environment from its wheels, and a script that uses nothing else."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from commonweal_cli.bundle import archive
from commonweal_cli.bundle.contents import CACHE, CHECKOUT, DEBS, HOME, WHEELS
from commonweal_local import debian, machine
from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.progress import Progress
from commonweal_local.shell import run

ENVIRONMENT, COMMAND = "env", "commonweal"
SOURCES = ("crds/src", "kube/src", "operator/src", "runtime/src", "stacks/src", "local/src", "cli/src")
SPARE_GIB = 1.0


def unpack(file: Path, keys: Sequence[bytes], into: Path, progress: Progress) -> Mapping[str, Any]:
    """Put the archive's files below `into`, which must not be there or be empty; of one that does not fit nothing stays. Returns the statement."""
    if into.exists() and any(into.iterdir()):
        raise LocalError(f"{into} is not empty", "Give a new directory with --into.")
    size = _size(file)
    machine.require_space(into, size / 2**30 + SPARE_GIB)
    draft = into.with_name(f"{into.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        with progress.step(f"opening {file.name}") as step:
            statement = archive.read(file, keys, into=draft, told=lambda done: step.update(megabytes(done, size)))
        if into.exists():
            into.rmdir()
        draft.rename(into)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return statement


def install(into: Path, statement: Mapping[str, Any], progress: Progress) -> Path:
    """Make the Python environment and the script; return the script. Raises LocalError when this Python or machine is another than the bundle's."""
    _refuse_other_machine(statement["predicate"])
    python = into / ENVIRONMENT / "bin" / "python"
    with progress.step("a Python environment from the bundle's wheels"):
        pip = next((into / WHEELS).glob("pip-*.whl"))
        try:
            run(sys.executable, "-m", "venv", "--without-pip", into / ENVIRONMENT)
            words = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check", f"--find-links={into / WHEELS}"]
            run(python, pip / "pip", "install", *words, *sorted(map(str, (into / WHEELS).glob("*.whl"))))
        except CommandFailedError as error:
            raise LocalError(
                f"The Python environment could not be made ({error})", "Fix what it says, remove the directory, and repeat."
            ) from error
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (packages / "commonweal.pth").write_text("".join(f"{into / CHECKOUT / source}\n" for source in SOURCES), encoding="utf-8")
    return _script(into, python)


def install_debian(into: Path, progress: Progress) -> list[str]:
    """Install those of the archive's Debian packages that sites need and this machine lacks; return their names. Needs root."""
    missing = debian.missing(debian.SITE_PACKAGES)
    if not missing:
        return []
    files = sorted((into / DEBS).glob("*.deb"))
    if os.geteuid() != 0 or not files or shutil.which("dpkg") is None:
        raise LocalError(f"Not installed: {debian.named(missing)}", "As root, on Debian: open the bundle again with --install.")
    lacking = [file for file in files if not _installed(file.name.partition("_")[0])]
    with progress.step(f"installing Debian packages {', '.join(file.name.partition('_')[0] for file in lacking)}"):
        debian.install_files(lacking)
    return [package.name for package in missing]


def _installed(package: str) -> bool:
    return "ok installed" in run("dpkg-query", "--show", "--showformat=${Status}", package, check=False)


def _script(into: Path, python: Path) -> Path:
    lines = [
        "#!/bin/sh",
        "# Uses what the bundle brought, and nothing of the network.",
        f'export COMMONWEAL_CACHE="${{COMMONWEAL_CACHE:-{into / CACHE}}}" COMMONWEAL_HOME="${{COMMONWEAL_HOME:-{into / HOME}}}"',
        f'export PATH="{into / CACHE / "bin"}:$PATH" PIP_NO_INDEX=1 GOPROXY=off',
        f'exec {shlex.quote(str(python))} -P -m commonweal_cli "$@"',
        "",
    ]
    script = into / COMMAND
    script.write_text("\n".join(lines), encoding="utf-8")
    script.chmod(0o755)
    return script


def _refuse_other_machine(predicate: Mapping[str, Any]) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if predicate["python"] != here or predicate["machine"] != os.uname().machine:
        raise LocalError(
            f"The bundle is for Python {predicate['python']} on {predicate['machine']}; this is {here} on {os.uname().machine}",
            "Run this with that Python, or make a bundle on a machine like this one.",
        )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise LocalError(
            f"{file} cannot be read: {error.strerror}", "Give the path of an archive that `commonweal bundle make` wrote."
        ) from error


def megabytes(done: int, size: int) -> str:
    """Return how far it is: `312 of 1040 MB`."""
    return f"{done / 1e6:.0f} of {size / 1e6:.0f} MB"
