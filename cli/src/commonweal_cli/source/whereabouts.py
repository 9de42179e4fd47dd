"""What `commonweal source inspect` is pointed at: an address, a location or a path, taken apart. No password stands in any of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from commonweal_local.exceptions import LocalError
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.places import SUFFIXES, Place, Volume

_DATABASES = {"postgres": "postgres", "postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}
_PORTS = {"postgres": 5432, "mysql": 3306}
_VOLUME = re.compile(r"volume://([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:/(.*))?")
_CLAIM = "the-claim"


@dataclass(frozen=True)
class Whereabouts:
    """A kind of source, its section of the manifest, who logs in, and the place of its files of a kind if they lie on this machine."""

    kind: str
    section: Mapping[str, Any]
    user: str | None = None
    files: Callable[[str], Place] | None = None
    notes: tuple[str, ...] = field(default=())


def of_database(text: str, secret: str) -> Whereabouts:
    """Take apart `postgres://user@host:port/database/schema.table`; of MySQL and MariaDB the table alone."""
    url = _address(text)
    kind = _DATABASES[url.scheme]
    parts = [unquote(part) for part in url.path.split("/") if part]
    if len(parts) != 2 or not url.hostname:
        raise LocalError(
            f"«{url.scheme}://…» does not say which table",
            f"Write {kind}://USER@HOST:PORT/DATABASE/{'SCHEMA.' * (kind == 'postgres')}TABLE.",
        )
    if not url.username:
        raise LocalError(f"«{url.scheme}://…» does not say who logs in", f"Write {kind}://USER@{url.hostname}/….")
    schema, _, table = parts[1].rpartition(".")
    named = {"schema": schema} if kind == "postgres" and schema else {}
    place = {"host": url.hostname, "port": url.port or _PORTS[kind], "database": parts[0], **named, "table": table if named else parts[1]}
    return Whereabouts(kind, {**place, "credentials": {"name": secret}}, unquote(url.username))


def _address(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        raise LocalError("the address of the source cannot be read", "Write postgres://USER@HOST:PORT/DATABASE/SCHEMA.TABLE.") from None
    if url.password is not None:
        raise LocalError(
            "a password in the address is seen by everybody on this machine, and stays in the shell's history",
            "Leave it out, and change it if it is in use; give it by COMMONWEAL_SOURCE_PASSWORD, --password-file, or when you are asked.",
        )
    return url


def of_bucket(text: str, endpoint: str | None, region: str | None, user: str | None, secret: str) -> Whereabouts:
    """Take an object or a prefix of object storage."""
    if endpoint is None or user is None:
        raise LocalError("object storage needs an address and an access key", "Give --endpoint https://HOST and --user ACCESS-KEY.")
    section = {"location": text, "endpoint": endpoint, **({"region": region} if region else {}), "credentials": {"name": secret}}
    return Whereabouts("", section, user)


def of_path(text: str, volumes: Path | None, location: str | None) -> Whereabouts:
    """Take a file or a folder of this machine; of `volume://claim/path`, below the folder of the claims."""
    found = _VOLUME.fullmatch(text)
    if found is not None:
        if volumes is None:
            raise LocalError(f"{text} lies on a volume", "Give --volumes FOLDER, in which each claim is a folder; or the path itself.")
        claim, below = found[1], found[2] or ""
        return Whereabouts("", {"location": text}, files=lambda kind: Volume(volumes, claim, below, kind))
    path = Path(text).resolve()
    if not path.exists():
        raise LocalError(f"{text}: there is no such file or folder", "Give a path, or postgres://…, mysql://…, s3://… or volume://….")
    name = re.sub(r"[^A-Za-z0-9._=-]", "-", path.name).lstrip(".") or "files"
    note = (
        () if location else (f"location: where the store will find it; replace {_CLAIM} by the claim's name, or say it all by --location.",)
    )
    root, below = (path, "") if path.is_dir() else (path.parent, path.name)
    return Whereabouts(
        "",
        {"location": location or f"volume://{_CLAIM}/{name}"},
        files=lambda kind: Volume(root.parent, root.name, below, kind),
        notes=note,
    )


def kind_of(where: Whereabouts, name: str) -> str:
    """Return the kind of the files there: what the name says, else what lies in the folder. LocalError where that is not one kind."""
    named = [kind for kind, suffixes in SUFFIXES.items() if name.endswith(suffixes)]
    found = named or [kind for kind in SUFFIXES if where.files is not None and _has(where.files(kind))]
    if len(found) == 1:
        return found[0]
    raise LocalError(
        f"{name}: files of {' and '.join(found) or 'no known kind'} are there", f"Say which by --kind {' or '.join(SUFFIXES)}."
    )


def _has(place: Place) -> bool:
    try:
        return bool(place.files())
    except SourceReadError:
        return False
