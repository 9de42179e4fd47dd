"""Which files are the project's: what git says, or, where there is no git or no clone of it, all that `.gitignore` does not name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from commonweal_local.exceptions import CommandFailedError
from commonweal_local.shell import run


def files(root: Path) -> list[str]:
    """The project's files that are there, relative to the checkout, by name."""
    listed = git(root, "ls-files", "-z")
    names = listed.split("\0") if listed is not None else _unignored(root)
    return sorted(name for name in names if name and (root / name).is_file())


def revision(root: Path) -> str:
    """The commit, followed by `+changes` when files differ from it; `unknown` where there is no git or no clone."""
    commit, changed = git(root, "rev-parse", "HEAD"), git(root, "status", "--porcelain", "--untracked-files=no")
    if commit is None or changed is None:
        return "unknown"
    return commit.strip() + ("+changes" if changed.strip() else "")


def changed_at(root: Path) -> int:
    """When the last commit was made (seconds since 1970); without git when the newest file was written, which in git's own archives is the same."""
    committed = git(root, "log", "-1", "--format=%ct")
    if committed is not None:
        return int(committed)
    return max(int((root / name).stat().st_mtime) for name in files(root))


def git(root: Path, *words: str) -> str | None:
    """What git answers about this checkout, whoever it belongs to; None where there is no git, or no clone."""
    if not (root / ".git").exists():
        return None  # a folder above may be a clone, but of something else
    try:
        return run("git", "-c", f"safe.directory={root}", "-C", root, *words)
    except CommandFailedError:
        return None


def _unignored(root: Path) -> Iterator[str]:
    lines = (root / ".gitignore").read_text(encoding="utf-8").split()
    ignored = [".git", *(line.rstrip("/") for line in lines)]
    for place, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not _any(name, ignored)]
        yield from (str((Path(place) / name).relative_to(root)) for name in names if not _any(name, ignored))


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
