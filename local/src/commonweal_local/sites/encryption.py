"""Encryption at rest: what an API server writes into etcd is sealed with a key that lies beside its certificates, not in etcd.

What is covered the blueprint says: Secrets (passwords, sector keys, signing keys) and ConfigMaps (the operator's plans and reports). It guards
backups, copies of etcd's files and whoever can read etcd, not against a thief of the whole machine: the key lies on it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from commonweal_kube.exceptions import ApiError
from commonweal_kube.protocol import MERGE
from commonweal_local.paths import write
from commonweal_local.sites.api import Api
from commonweal_local.sites.etcd import REGISTRY, Etcd
from commonweal_stacks.blueprint import Blueprint, files

FILE = "encryption.json"
HOW = "secretbox"
KEY_BYTES = 32
PLAIN = "identity"
PAGE = 500
GONE = 404


def make(pki: Path, blueprint: Blueprint, *, had_data: bool) -> Path:
    """The configuration's file, made with a new key unless it is there. With data from before, plain values stay readable until `settle`."""
    file = pki / FILE
    if not file.exists():
        pki.mkdir(parents=True, exist_ok=True, mode=0o700)
        _save(pki, [_new_key()], plain=had_data, covered=blueprint.encrypted)
    return file


def cover(pki: Path, blueprint: Blueprint) -> None:
    """Bring the file to the resources that the blueprint seals.

    Until `settle`, values of a resource that is new among them are read in clear text, too; those of one that left are written in clear text, and
    read with the keys.
    """
    covered, left = _covered(pki)
    if set(covered) != set(blueprint.encrypted):
        plain = _reads_plain(pki) or not set(blueprint.encrypted) <= set(covered)
        gone = tuple(name for name in (*covered, *left) if name not in blueprint.encrypted)
        _save(pki, keys(pki), plain=plain, covered=blueprint.encrypted, left=gone)


def readers(pki: Path) -> list[str]:
    """The names of the keys that values can be read with, the one that writes first; last `identity` while plain ones are read, too.

    A name tells keys apart and nothing about the key. Empty for a site that does not encrypt yet.
    """
    file = pki / FILE
    return names(keys(pki)) + ([PLAIN] if reads_plain(pki) else []) if file.exists() else []


def names(held: Sequence[bytes]) -> list[str]:
    """The names of keys, in their order."""
    return [_name(key) for key in held]


def keys(pki: Path) -> list[bytes]:
    """The keys themselves, in the order of `readers`."""
    return [base64.b64decode(one["secret"]) for provider in _providers(pki) for one in provider.get(HOW, {}).get("keys", [])]


def is_settled(pki: Path) -> bool:
    """Whether exactly one key reads and writes everything that is covered, and nothing else."""
    return len(readers(pki)) == 1


def reads_plain(pki: Path) -> bool:
    """Whether something is read both ways: from before there was a key, or since other resources are covered."""
    return _reads_plain(pki) or bool(_covered(pki)[1])


def begin(pki: Path) -> str:
    """Put a new key before the others, and return its name; a change that was begun and never settled is gone on with instead."""
    if is_settled(pki):
        _save(pki, [_new_key(), *keys(pki)], plain=False, covered=_covered(pki)[0])
    return readers(pki)[0]


def accept(pki: Path, more: Sequence[bytes]) -> None:
    """Read with these keys as well, as a restored backup needs it; what is written is written with the first key, as before."""
    held, (covered, left) = keys(pki), _covered(pki)
    _save(pki, [*held, *(key for key in more if key not in held)], plain=_reads_plain(pki), covered=covered, left=left)


def settle(pki: Path) -> None:
    """Forget every reader but the key that writes. Only after `rewrite`, and only when `others` finds nothing."""
    _save(pki, keys(pki)[:1], plain=False, covered=_covered(pki)[0])


def rewrite(api: Api, pki: Path) -> int:
    """Have the API server write every object again that is covered, or was, as its resource is written now; how many it was asked for.

    An empty patch changes nothing, and the server stores such an object again only when it is stored otherwise: safe to repeat.
    """
    asked = 0
    for resource in (name for part in _covered(pki) for name in part):
        for path in _paths(api, resource):
            try:
                api.call("PATCH", path, {}, content=MERGE)
            except ApiError as error:
                if error.status != GONE:
                    raise
            asked += 1
    return asked


def others(etcd: Etcd, pki: Path) -> list[str]:
    """The keys of etcd whose values the first key did not seal, or sealed though they are not covered any more, looked at in etcd itself."""
    covered, left = _covered(pki)
    sealed = f"k8s:enc:{HOW}:v1:{readers(pki)[0]}:".encode()
    wrong = [name for name, value in _stored(etcd, covered) if not value.startswith(sealed)]
    return wrong + [name for name, value in _stored(etcd, left) if value.startswith(b"k8s:enc:")]


def _stored(etcd: Etcd, resources: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for resource in resources:
        yield from etcd.values(f"{REGISTRY}{resource}/")


def _paths(api: Api, resource: str) -> list[str]:
    """The path of every object of a resource, in all namespaces."""
    found: list[str] = []
    more = ""
    while True:
        listed = api.call("GET", f"/api/v1/{resource}?limit={PAGE}{more}")
        metas = [item["metadata"] for item in listed["items"]]
        found += [f"/api/v1/namespaces/{meta['namespace']}/{resource}/{meta['name']}" for meta in metas]
        if not listed["metadata"].get("continue"):
            return found
        more = f"&continue={listed['metadata']['continue']}"


def _new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def _name(key: bytes) -> str:
    return "key-" + hashlib.sha256(b"commonweal encryption key\0" + key).hexdigest()[:12]


def _reads_plain(pki: Path) -> bool:
    return any(PLAIN in provider for provider in _providers(pki))


def _rules(pki: Path) -> list[dict[str, Any]]:
    return list(json.loads((pki / FILE).read_text())["resources"])


def _providers(pki: Path) -> list[dict[str, Any]]:
    return list(_rules(pki)[0]["providers"])


def _covered(pki: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The resources that are sealed, and those that were and are written in clear text now."""
    first, *more = (tuple(rule["resources"]) for rule in _rules(pki))
    return first, tuple(name for names in more for name in names)


def _save(pki: Path, held: Sequence[bytes], *, plain: bool, covered: Sequence[str], left: Sequence[str] = ()) -> None:
    sealed = files.sealed(HOW, {_name(key): key for key in held})
    rules: list[tuple[Sequence[str], list[Mapping[str, Any]]]] = [(covered, [sealed, *([files.IDENTITY] if plain else [])])]
    if left:
        rules.append((left, [files.IDENTITY, sealed]))
    write(pki / FILE, files.encryption_of(rules), mode=0o600)
