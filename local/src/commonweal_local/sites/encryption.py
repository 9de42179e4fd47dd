"""Encryption at rest: what an API server writes into etcd is sealed with a key that lies beside its certificates, not in etcd.

Covered are Secrets (passwords, sector keys, signing keys) and ConfigMaps (the operator's plans and reports). It guards backups, copies of
etcd's files and whoever can read etcd, not against a thief of the whole machine: the key lies on it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import urllib.error
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commonweal_local.paths import write
from commonweal_local.sites.api import MERGE, Api
from commonweal_local.sites.etcd import REGISTRY, Etcd

RESOURCES = ("secrets", "configmaps")
FILE = "encryption.json"
KEY_BYTES = 32
PLAIN = "identity"
PAGE = 500
GONE = 404


def make(pki: Path, *, had_data: bool) -> Path:
    """The configuration's file, made with a new key unless it is there. With data from before, plain values stay readable until `settle`."""
    file = pki / FILE
    if not file.exists():
        pki.mkdir(parents=True, exist_ok=True, mode=0o700)
        _save(pki, [_new_key()], plain=had_data)
    return file


def readers(pki: Path) -> list[str]:
    """The names of the keys that values can be read with, the one that writes first; last `identity` while plain ones are read, too.

    A name tells keys apart and nothing about the key. Empty for a site that does not encrypt yet.
    """
    file = pki / FILE
    return names(keys(pki)) + ([PLAIN] if _reads_plain(pki) else []) if file.exists() else []


def names(held: Sequence[bytes]) -> list[str]:
    """The names of keys, in their order."""
    return [_name(key) for key in held]


def keys(pki: Path) -> list[bytes]:
    """The keys themselves, in the order of `readers`."""
    return [base64.b64decode(one["secret"]) for provider in _providers(pki) for one in provider.get("secretbox", {}).get("keys", [])]


def is_settled(pki: Path) -> bool:
    """Whether exactly one key reads and writes everything."""
    return len(readers(pki)) == 1


def begin(pki: Path) -> str:
    """Put a new key before the others, and return its name; a change that was begun and never settled is gone on with instead."""
    if is_settled(pki):
        _save(pki, [_new_key(), *keys(pki)], plain=False)
    return readers(pki)[0]


def accept(pki: Path, more: Sequence[bytes]) -> None:
    """Read with these keys as well, as a restored backup needs it; what is written is written with the first key, as before."""
    held = keys(pki)
    _save(pki, [*held, *(key for key in more if key not in held)], plain=_reads_plain(pki))


def settle(pki: Path) -> None:
    """Forget every reader but the key that writes. Only after `rewrite`, and only when `others` finds nothing."""
    _save(pki, keys(pki)[:1], plain=False)


def rewrite(api: Api) -> int:
    """Have the API server write every covered object again, with the first key; how many it was asked for.

    An empty patch changes nothing, and the server stores such an object again only when another key sealed it: safe to repeat.
    """
    asked = 0
    for resource in RESOURCES:
        for path in _paths(api, resource):
            try:
                api.call("PATCH", path, {}, kind=MERGE)
            except urllib.error.HTTPError as error:
                if error.code != GONE:
                    raise
            asked += 1
    return asked


def others(etcd: Etcd, pki: Path) -> list[str]:
    """The keys of etcd whose values the first key did not seal, looked at in etcd itself."""
    sealed = f"k8s:enc:secretbox:v1:{readers(pki)[0]}:".encode()
    found = (pair for resource in RESOURCES for pair in etcd.values(f"{REGISTRY}{resource}/"))
    return [name for name, value in found if not value.startswith(sealed)]


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


def _providers(pki: Path) -> list[dict[str, Any]]:
    return list(json.loads((pki / FILE).read_text())["resources"][0]["providers"])


def _save(pki: Path, held: Sequence[bytes], *, plain: bool) -> None:
    entries = [{"name": _name(key), "secret": base64.b64encode(key).decode()} for key in held]
    providers: list[dict[str, Any]] = [{"secretbox": {"keys": entries}}]
    if plain:
        providers.append({PLAIN: {}})
    config = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": list(RESOURCES), "providers": providers}],
    }
    write(pki / FILE, config, mode=0o600)
