"""What the embedded issuer of people, its store and the portal are given in place of the master key: keys that sign and seal, a password, and the ids of those who may sign in. Pure.

From none of it follows a sector key, an id of anybody else, or the key of the site's authority.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from commonweal_api.pairwise import pairwise
from commonweal_api.signatures import canonical, identity_store, issuer_seal, issuer_seed, portal_cookie, sector_key

NAME, STORE_NAME, PORTAL_NAME = "commonweal-identity", "commonweal-identity-store", "commonweal-portal"  # Secrets
SIGNING, SEAL, SUBJECTS, STORE, COOKIE = "signing", "seal", "subjects.json", "store", "cookie"  # their files
IDENTITY = "https://commonweal.dev/identity"  # the audience of the issuer's own API
PORTAL = "commonweal-portal"  # the application that the issuer knows where no clients.json says otherwise
PORTAL_WEB = "portal"  # the pages of the site, as the issuer knows them
LARGEST = 900_000  # bytes of the ids: a Secret holds 1 MiB
_ID_BYTES = 40


class Enrolled(NamedTuple):
    """One of those who may sign in, by the keys under which sources know the person: `root` at every department, `links` at those that it names."""

    root: str | None = None
    links: Mapping[str, str] = {}


class Held(NamedTuple):
    """The files of the issuer's Secret, and how many of the people found no room in it."""

    files: Mapping[str, str]
    left_out: int


def sector_of_client(client: str) -> str:
    """Return the sector of an application: what it knows a person by, and no department does."""
    return f"client:{client}"


def held(master: bytes, people: Sequence[Enrolled], departments: Iterable[str], clients: Iterable[str]) -> Held:
    """Return what the issuer holds. The first of the `people` that fit get their ids; a link to a department that is not among these is no key of anything here."""
    known = frozenset(departments)
    keys: dict[str, dict[str, None]] = {sector: {} for sector in sorted({*known, *map(sector_of_client, clients)})}
    room, left_out = LARGEST, 0
    for person in people:
        new = [(sector, key) for sector, key in _keys(person, keys) if key not in keys[sector]]
        cost = sum(len(canonical(key)) + _ID_BYTES for _, key in new)
        if new and (left_out or cost > room):
            left_out += 1
            continue
        room -= cost
        for sector, key in new:
            keys[sector][key] = None
    files = {
        SIGNING: issuer_seed(master).hex(),
        SEAL: issuer_seal(master).hex(),
        STORE: identity_store(master).hex(),
        SUBJECTS: canonical({sector: _ids(sector_key(master, sector), found) for sector, found in keys.items()}).decode(),
    }
    return Held(files, left_out)


def held_by_store(master: bytes) -> Mapping[str, str]:
    """Return the files of the Secret of the issuer's store: the password of the one role that may come over the network."""
    return {STORE: identity_store(master).hex()}


def held_by_portal(master: bytes) -> Mapping[str, str]:
    """Return the files of the portal's Secret: the key of its cookie, so that each of its pods opens what another sealed."""
    return {COOKIE: portal_cookie(master).hex()}


def _keys(person: Enrolled, sectors: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield every key by which a sector may know a person: the root anywhere, a link where it leads. An application knows roots alone."""
    for sector in sectors:
        yield from ((sector, key) for key in dict.fromkeys((person.root, person.links.get(sector))) if key is not None)


def _ids(key: bytes, found: Iterable[str]) -> dict[str, Any]:
    return {source: str(pairwise(key, source)) for source in found}
