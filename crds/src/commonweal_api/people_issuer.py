"""What the embedded issuer of people is given in place of the master key: a key that signs, one that seals, and the ids of those who may sign in there. Pure.

From none of it follows a sector key, an id of anybody else, or the key of the site's authority.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from commonweal_api.pairwise import pairwise
from commonweal_api.signatures import canonical, issuer_seal, issuer_seed, sector_key

NAME = "commonweal-identity"
SIGNING, SEAL, SUBJECTS = "signing", "seal", "subjects.json"
PORTAL = "commonweal-portal"  # the application that the issuer knows where no clients.json says otherwise
IDENTITY = "https://commonweal.dev/identity"  # the audience of the issuer's own API
LARGEST = 900_000  # bytes of the ids: a Secret holds 1 MiB
_ID_BYTES = 40


class Held(NamedTuple):
    """The files of the issuer's Secret, and how many of the people found no room in it."""

    files: Mapping[str, str]
    left_out: int


def sector_of_client(client: str) -> str:
    """Return the sector of an application: what it knows a person by, and no department does."""
    return f"client:{client}"


def held(master: bytes, roots: Sequence[str], departments: Iterable[str], clients: Iterable[str]) -> Held:
    """Return what the issuer holds. `roots` are the source keys of those who may sign in; the first ones that fit get their ids."""
    sectors = sorted({*departments, *map(sector_of_client, clients)})
    room, fitting = LARGEST, list[str]()
    for root in dict.fromkeys(roots):
        room -= len(sectors) * (len(canonical(root)) + _ID_BYTES)
        if room < 0:
            break
        fitting.append(root)
    files = {
        SIGNING: issuer_seed(master).hex(),
        SEAL: issuer_seal(master).hex(),
        SUBJECTS: canonical({sector: _ids(sector_key(master, sector), fitting) for sector in sectors}).decode(),
    }
    return Held(files, len(dict.fromkeys(roots)) - len(fitting))


def _ids(key: bytes, roots: Iterable[str]) -> dict[str, Any]:
    return {root: str(pairwise(key, root)) for root in roots}
