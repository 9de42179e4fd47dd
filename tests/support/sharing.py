"""How a run of several workers shares the tests: whole folders or whole files, those that take longest first.

A folder stays with one worker when its tests share what is costly to bring up (sites, an API server); any other file goes to whoever is free.
Begun in this order, no worker is left alone with something long at the end.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

# What takes a minute or more, longest first (`make test` says what takes long), and folders that stay together.
LONGEST = ("tests/e2e/platform",)
TOGETHER = frozenset(
    {
        "tests/e2e/platform",
        "tests/contract/adapters",
        "tests/contract/api",
        "tests/contract/provider",
        "tests/contract/conformity",
        "tests/contract/data_api",
        "tests/contract/life",
        "tests/contract/lockin",
        "tests/contract/management",
        "tests/contract/models",
        "tests/contract/pulumi",
        "tests/contract/roles",
    }
)
RANK = {name: number for number, name in enumerate(LONGEST)}


def group_of(nodeid: str) -> str:
    """Return the folder or the file that a test stays together with."""
    file = nodeid.partition("::")[0]
    return next((str(folder) for folder in PurePosixPath(file).parents if str(folder) in TOGETHER), file)


def rank_of(nodeid: str) -> int:
    """Return when a test's group is begun: those that take long first, the others as they were found."""
    return RANK.get(group_of(nodeid), len(RANK))


class Sharing(LoadScopeScheduling):
    """Gives each worker one group after the other, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
