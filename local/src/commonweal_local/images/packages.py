"""Debian packages as image layers: which ones, fetching them, and taking their files without running their scripts."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from commonweal_local import debian, paths
from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.images.oci import Tree
from commonweal_local.shell import run

# Needed to install packages or to configure a whole system, not to run programs.
NEVER = (
    *("adduser", "ca-certificates-java", "debconf", "debianutils", "dpkg", "gcc-", "init-system-helpers", "install-info", "libllvm"),
    *("libperl", "libdb5", "libgdbm", "libz3", "locales", "lsb-base", "mailcap", "mime-support", "netbase", "openssl", "passwd", "perl"),
    *("postgresql-client-common", "postgresql-common", "readline-common", "sensible-utils", "ssl-cert", "sysvinit-utils", "tar", "ucf"),
)
MERGED = ("bin", "sbin", "lib", "lib64")
DROPPED = re.compile(
    r"usr/share/(doc|man|info|locale|lintian|bug|debianutils|binfmts|applications|pixmaps|menu|bash-completion|gcc|libc-bin|gdb)(/|$)"
    r"|usr/(include|sbin)(/|$)"
    r"|usr/lib/(binfmt\.d|systemd|tmpfiles\.d)(/|$)"
    r"|usr/lib/[^/]+/(gconv|perl)(/|$)"
    r"|usr/lib/postgresql/\d+/lib/(bitcode/|llvmjit)"
    r"|usr/lib/python3[^/]*/(test|idlelib|tkinter|turtledemo|ensurepip|lib2to3|pydoc_data)(/|$)"
    r"|etc/(init\.d|cron|default|binfmt\.d|postgresql|ld\.so\.conf|security|pam)"
)


@dataclass(frozen=True)
class Package:
    """One package file as apt would fetch it; the name of the file holds the version."""

    file: str
    sha256: str

    @property
    def name(self) -> str:
        return self.file.partition("_")[0]


def closure(roots: Sequence[str]) -> list[str]:
    """The packages and what they need to run, by name; the first of several alternatives is taken."""
    found: list[str] = []
    todo = list(roots)
    while todo:
        found += todo
        todo = sorted({name for name in _depends(todo) if name not in found and not name.startswith(NEVER)})
    return sorted(found)


def resolve(names: Iterable[str]) -> list[Package]:
    """What apt would fetch for these names now."""
    lines = _apt("download", "--print-uris", *names).splitlines()
    found = [re.search(r"' (\S+) \d+ SHA256:([0-9a-f]{64})", line) for line in lines]
    return sorted((Package(match[1], match[2]) for match in found if match), key=lambda package: package.file)


def fetch(packages: Sequence[Package]) -> list[Path]:
    """The package files, fetched where the cache lacks them; apt verifies them against the signed lists."""
    directory = paths.cache() / "debs"
    directory.mkdir(parents=True, exist_ok=True)
    lacking = [package.name for package in packages if not (directory / package.file).is_file()]
    if lacking:
        _apt("download", *lacking, directory=directory)
    return [directory / package.file for package in packages]


def unpack(archives: Iterable[Path], tree: Tree) -> None:
    """Add the packages' files to a layer, without documentation, translations, headers and service files."""
    for archive in archives:
        content = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            only = "usr/lib/locale/" if archive.name.startswith("libc-bin_") else ""
            for member in tar:
                path = merged(member.name.removeprefix("./"))
                if path and path.startswith(only) and not DROPPED.match(path):
                    _add(tree, tar, member, path)


def merged(path: str) -> str:
    """The path on a system where /bin, /sbin and /lib are links into /usr."""
    top = path.partition("/")[0]
    return f"usr/{path}" if top in MERGED else path.rstrip("/")


def _add(tree: Tree, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    if member.isdir():
        if path not in MERGED:
            tree.directory(path, mode=member.mode & 0o7777)
    elif member.issym():
        tree.link(path, member.linkname)
    elif member.isfile() or member.islnk():
        stream = tar.extractfile(member)
        # No set-user-id in images: containers get no new privileges anyway.
        tree.file(path, stream.read() if stream else b"", mode=member.mode & 0o755)


def _depends(names: Sequence[str]) -> list[str]:
    """Direct dependencies, the first of alternatives only ("|Depends" is followed by its alternative)."""
    found, alternative = [], False
    for line in run(
        "apt-cache",
        "depends",
        "--no-recommends",
        "--no-suggests",
        "--no-enhances",
        "--no-conflicts",
        "--no-breaks",
        "--no-replaces",
        *names,
    ).splitlines():
        match = re.match(r"[ |]+(Pre)?Depends: (\S+)", line)
        if match and not alternative and not match[2].startswith("<"):
            found.append(match[2].partition(":")[0])
        if match:
            alternative = line.lstrip(" ").startswith("|")
    return found


def _apt(*words: str, directory: Path | None = None) -> str:
    """Run apt-get; without package lists (a fresh machine) they are fetched once, where we may."""
    argv = ["env", "-C", str(directory or Path.cwd()), "apt-get", "--quiet=2", *words]
    try:
        return run(*argv)
    except CommandFailedError as error:
        if os.geteuid() != 0:
            raise LocalError(
                f"apt-get could not find the packages of the images ({error})", "Run `sudo apt-get update`, then repeat."
            ) from error
    debian.refresh_lists()
    try:
        return run(*argv)
    except CommandFailedError as error:
        raise LocalError(
            f"apt-get could not find the packages of the images ({error})", "Check the machine's apt sources; Debian 12 is what is tested."
        ) from error
