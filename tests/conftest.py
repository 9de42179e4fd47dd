"""What every layer of tests shares: fixtures, folders as scopes, and how several workers share a run."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from commonweal_local import surroundings
from support import room, sharing
from support.control_plane import ControlPlane

CONTRACT = Path(__file__).parent / "contract"
# The fixtures of contract tests that start something; those that need one have its name among theirs.
SERVERS = frozenset(
    {
        "control_plane",
        "plane",
        "store",
        "heritage",
        "servers",
        "source",
        "mariadb",
        "server",
        "fleet",
        "management",
        "home",
        "site",
        "provider",
    }
    | {"issuer", "storage", "oracle", "machine"}
)


class Folder(pytest.Package):
    """A folder of tests. Fixtures of scope `package` end with it, as they would only with a session if it were no package.

    It is none to Python: `tests/contract/operator/__init__.py` would be imported as `operator`, which is the standard library's.
    """

    def setup(self) -> None:
        """Import nothing."""


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector:
    return Folder.from_parent(parent, path=path)


def pytest_configure(config: pytest.Config) -> None:
    """Tests ask what they have started themselves, and so do the programs that they start: never through a proxy that the environment names."""
    surroundings.ask_neighbours_directly(os.environ)
    urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
    room.in_memory()
    hypothesis.settings.register_profile("house", deadline=None)  # how long an example takes is a figure of the machine
    hypothesis.settings.load_profile("house")
    config.pluginmanager.register(AtOnce(config), "at-once")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(CONTRACT) and SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: sharing.rank_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> sharing.Sharing:
    config.option.loadscopereorder = False
    return sharing.Sharing(config, log)


class AtOnce:
    """Says what failed when it fails, not only at the end of a run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None and not hasattr(self._config, "workerinput"):
            terminal.write_line(f"\n{report.when} of {report.nodeid} failed:\n{report.longreprtext}", red=True)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A bare API server and etcd of our own for the whole session: no definitions, no policies, no controllers.

    A test that installs what others could trip over (admission policies, say) starts its own `ControlPlane`.
    Without the programs it fails, naming `make tools`; it never skips.
    """
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane
