"""What a stack runs for people: the issuer with its store, and the portal. The same programs as on a site, on loopback and in the clear."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from commonweal_api.people_issuer import COOKIE, STORE, held_by_portal, held_by_store
from commonweal_cli.dev.layout import Layout, Numbering
from commonweal_cli.dev.processes import Program
from commonweal_local import paths, portal_assets
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Progress

Say = Callable[[str], None]


class ForPeople:
    """The programs of one stack. `inherited` is the environment that they begin with, `user` who root becomes for the store.

    `portal` is the address of the pages, empty where their style and script could not be compiled: `say` then tells why, and all else runs.
    """

    def __init__(self, layout: Layout, numbers: Numbering, inherited: Mapping[str, str], user: int | None, say: Say) -> None:
        self._root, self._sockets, self._numbers = layout.root, layout.run / "identity-store", numbers
        self._inherited, self._user = inherited, user
        self._assets = _compiled(say)
        self.issuer = f"http://127.0.0.1:{numbers.issuer}"
        self.portal = f"http://127.0.0.1:{numbers.portal}" if self._assets else ""

    @property
    def of_the_store(self) -> list[Path]:
        """Return the directories that are to belong to the store's user."""
        return [self._sockets, self._store, self._held]

    def programs(self, master: bytes) -> Iterator[Program]:
        """Write the keys that follow from the master key, and yield the programs."""
        written = paths.write(self._held / STORE, held_by_store(master)[STORE], mode=0o600)
        if self._user is not None:
            shutil.chown(written, self._user, self._user)
        paths.write(self._root / "keys" / "portal" / COOKIE, held_by_portal(master)[COOKIE], mode=0o600)
        yield self._program("identity-store", "commonweal_runtime.identity_store", self._of_store(), self._user)
        yield self._program("identity", "commonweal_runtime.identity", self._of_issuer())
        if self._assets is not None:
            yield self._program("portal", "commonweal_runtime.portal", self._of_portal(self._assets))

    @property
    def _store(self) -> Path:
        return self._root / "stores" / "identity-store"

    @property
    def _held(self) -> Path:
        return self._store / "held"

    def _program(self, name: str, module: str, env: Mapping[str, str], user: int | None = None) -> Program:
        return Program(name, module, {**self._inherited, **env}, str(self._root / "logs" / f"{name}.log"), user)

    def _of_store(self) -> dict[str, str]:
        return {
            "PGDATA": str(self._store / "pgdata"),
            "PGPORT": str(self._numbers.identity_store),
            "COMMONWEAL_SOCKET_DIR": str(self._sockets),
            "COMMONWEAL_IDENTITY_STORE_DIR": str(self._held),
        }

    def _of_issuer(self) -> dict[str, str]:
        return {
            "COMMONWEAL_ISSUER": self.issuer,
            "COMMONWEAL_LISTEN": "127.0.0.1",
            "COMMONWEAL_PORT": str(self._numbers.issuer),
            "COMMONWEAL_PEOPLE": str(self._root / "people" / "people.json"),
            "COMMONWEAL_IDENTITY_DIR": str(self._root / "identity"),
            "COMMONWEAL_IDENTITY_STORE": f"127.0.0.1:{self._numbers.identity_store}",
            "COMMONWEAL_SIGNING_KEY": str(self._root / "keys" / "issuer.pem"),
            **({"COMMONWEAL_PORTAL_URL": self.portal} if self.portal else {}),
        }

    def _of_portal(self, assets: Path) -> dict[str, str]:
        return {
            "COMMONWEAL_PORTAL_URL": self.portal,
            "COMMONWEAL_ISSUER": self.issuer,
            "COMMONWEAL_LISTEN": "127.0.0.1",
            "COMMONWEAL_PORT": str(self._numbers.portal),
            "COMMONWEAL_PORTAL_DIR": str(self._root / "keys" / "portal"),
            "COMMONWEAL_PORTAL_ASSETS": str(assets),
        }


def _compiled(say: Say) -> Path | None:
    try:
        return portal_assets.assets(Progress())
    except LocalError as error:
        say(f"without the portal, the pages for people: {error}")
        return None
