"""What a site says of itself, signed: made from what was examined, kept on the site, believed by key and by content."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from commonweal_api.signatures import canonical
from commonweal_kube.protocol import MERGE
from commonweal_stacks.api import Api
from commonweal_stacks.conformity.examine import Examined
from commonweal_stacks.conformity.statement import CONFORMITY, sign, subjects_of, verify
from commonweal_stacks.conformity.tree import Digest
from commonweal_stacks.exceptions import SiteConfigError, StatementError
from commonweal_stacks.fleet_names import FLEET
from commonweal_stacks.management_access import management_file, management_kubeconfig
from commonweal_stacks.manifests import NAMESPACE

CONFIG_MAP: Final = "commonweal-conformity"
STATEMENT, KEY, LEAVES = "statement.json", "key.jwk", "leaves.json.gz"
PATH: Final = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{CONFIG_MAP}"
PROFILES: Final = f"/apis/multicluster.x-k8s.io/v1alpha1/namespaces/{FLEET}/clusterprofiles"
PROPERTY: Final = "conformity.commonweal.dev"
ROOT: Final = "conformity"
APPLY: Final = "application/apply-patch+yaml"
MANAGER: Final = {"fieldManager": "commonweal-conform", "force": "true"}


@dataclass(frozen=True)
class Expected:
    """What a site is held against: a root, and as much of the tree below as is known, by which differences are named."""

    name: str
    root: str
    layers: Mapping[str, str]
    digest: Digest | None = None


def statement_of(found: Examined, *, seed: bytes, at: datetime) -> dict[str, Any]:
    """Return the signed envelope: the root and each layer's root as subjects, the probes' verdicts in the predicate. Pure."""
    subjects = {ROOT: found.digest.root, **{f"{ROOT}/{name}": root for name, root in found.digest.roots.items()}}
    predicate = {
        "site": found.site,
        "leaves": {name: len(leaves) for name, leaves in found.digest.layers.items()},
        "probes": {name: verdict.leaf for name, verdict in found.verdicts.items()},
    }
    return sign(CONFORMITY, subjects, predicate, seed=seed, at=at)


def packed(digest: Digest) -> bytes:
    """Return all leaves, compressed; equal digests give equal bytes."""
    return gzip.compress(canonical({name: dict(leaves) for name, leaves in digest.layers.items()}), mtime=0)


def unpacked(raw: bytes, *, root: str) -> Digest:
    """Return the digest of packed leaves. Raises StatementError when they are not those of the root."""
    try:
        digest = Digest(json.loads(gzip.decompress(raw)))
        fits = digest.root == root
    except (OSError, EOFError, ValueError, AttributeError, TypeError):
        fits = False
    if not fits:
        raise StatementError(f"the leaves: are not those of the root {root[:16]}…. Get them again, with the statement that they belong to.")
    return digest


def expected_of(envelope: Mapping[str, Any], keys: Iterable[bytes], leaves: bytes | None) -> Expected:
    """Return what a signed statement says a site must be like. Raises StatementError when it is not to be believed."""
    statement = verify(envelope, keys, predicate_type=CONFORMITY)
    subjects = subjects_of(statement)
    if ROOT not in subjects:
        raise StatementError(f"subject: has no {ROOT!r}. Give a statement that `commonweal conform sign` made.")
    layers = {name.partition("/")[2]: root for name, root in subjects.items() if name.startswith(f"{ROOT}/")}
    digest = unpacked(leaves, root=subjects[ROOT]) if leaves is not None else None
    return Expected(str(statement["predicate"].get("site", "")), subjects[ROOT], layers, digest)


def write(file: Path, envelope: Mapping[str, Any], digest: Digest) -> Path:
    """Write the statement, and its leaves to a file beside it, whose path is returned."""
    file.write_text(json.dumps(envelope, indent=1) + "\n", encoding="utf-8")
    beside = leaves_file(file)
    beside.write_bytes(packed(digest))
    return beside


def leaves_file(file: Path) -> Path:
    """Return the path of a statement's leaves."""
    return file.with_name(file.name + ".leaves.gz")


def read(file: Path) -> tuple[dict[str, Any], bytes | None]:
    """Return a statement, and its leaves when they lie beside it. Raises SiteConfigError."""
    try:
        envelope = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SiteConfigError(
            f"{file}: cannot be read as a statement ({error}). Give the file that `commonweal conform sign` wrote."
        ) from error
    beside = leaves_file(file)
    return envelope, beside.read_bytes() if beside.is_file() else None


def publish(api: Api, envelope: Mapping[str, Any], digest: Digest, key: str) -> None:
    """Keep the statement, its leaves and the public key on the site, for whoever may read there. Raises SiteConfigError.

    The ConfigMap has none of the platform's labels: what a site says of itself is no part of what it says.
    """
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP, "namespace": NAMESPACE},
        "data": {STATEMENT: json.dumps(envelope), KEY: key},
        "binaryData": {LEAVES: b64encode(packed(digest)).decode()},
    }
    answer = api.ask("PATCH", PATH, body, query=MANAGER, content=APPLY)
    if not answer.ok:
        raise SiteConfigError(
            f"Site {api.site}: ConfigMap {NAMESPACE}/{CONFIG_MAP} cannot be written: {answer.status}: {answer.message}. Use an administrator's kubeconfig."
        )


def published(api: Api) -> tuple[dict[str, Any], bytes | None]:
    """Return the statement that a site keeps of itself, and its leaves. Raises SiteConfigError. Whether to believe it is for `expected_of`."""
    answer = api.ask("GET", PATH)
    try:
        envelope = json.loads(answer.body["data"][STATEMENT])
        leaves = (answer.body.get("binaryData") or {}).get(LEAVES)
        return envelope, b64decode(leaves) if leaves else None
    except (KeyError, TypeError, ValueError) as error:
        raise SiteConfigError(f"Site {api.site} keeps no statement of itself. Sign one: `commonweal conform sign {api.site}`.") from error


def enter(site: str, root: str, at: datetime) -> bool:
    """Write the root into the site's entry of the fleet's inventory; return whether there is one. Raises SiteConfigError."""
    if not management_file().is_file():
        return False
    api = Api(management_kubeconfig(), site="management")
    entry = api.ask("GET", f"{PROFILES}/{site}")
    if not entry.ok:
        return False
    others = [p for p in (entry.body.get("status") or {}).get("properties") or () if p.get("name") != PROPERTY]
    status = {"status": {"properties": [*others, {"name": PROPERTY, "value": f"{root} {at.isoformat(timespec='seconds')}"}]}}
    return api.ask("PATCH", f"{PROFILES}/{site}/status", status, content=MERGE).ok
