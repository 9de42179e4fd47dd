"""Style and script as they were compiled: files that are named by their content, read once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import orjson

KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".ttf": "font/ttf"}


class Asset(NamedTuple):
    """One file."""

    kind: str
    content: bytes


class Assets:
    """The files of a folder. `names` has the served name of each by its plain one."""

    def __init__(self, folder: Path) -> None:
        try:
            self.names: Mapping[str, str] = orjson.loads((folder / "manifest.json").read_bytes())
        except OSError as error:
            raise ValueError(
                f"COMMONWEAL_PORTAL_ASSETS: {folder} holds no compiled style and script ({error.strerror}). "
                "Set it to the folder that commonweal_local.portal_assets.assets makes; the portal's image has one."
            ) from None
        self._files = {name: Asset(KINDS[Path(name).suffix], (folder / name).read_bytes()) for name in self.names.values()}

    def file(self, name: str) -> Asset | None:
        """Return the file that is served under a name."""
        return self._files.get(name)

    def content(self, plain: str) -> bytes:
        """Return what is in a file, by its plain name."""
        return self._files[self.names[plain]].content

    def url(self, plain: str) -> str:
        """Return the address of a file by its plain name."""
        return f"/assets/{self.names[plain]}"
