"""The old site's end: nothing of the department is left there, and that is certified; and where it is now is written down."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commonweal_cli.erasure import certificate
from commonweal_cli.exceptions import KubectlError
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.move import prepare
from commonweal_cli.move.endpoint import AGAIN, End, gone
from commonweal_local.exceptions import LocalError
from commonweal_local.waiting import within
from commonweal_stacks.conformity.site_key import public_jwk, site_seed
from commonweal_stacks.exceptions import SiteConfigError

ROUTES, FLEET = "commonweal-routes", "commonweal-fleet"
VOLUME_SECONDS = 180.0


def erase(source: End, target: End, move: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """Erase the department at the old site and return the certificate, which the new site's store keeps. Safe to repeat.

    `told` is what the department was there: tables, rows, manifests' digest. It is kept at the new site before anything is deleted, so that another
    machine can finish.
    """
    kept = target.step("look")["certificate"] or {}
    if not kept.get("pending"):
        compared = kept.get("compared") or {}
        digests = {**compared.get("digests", {}), **told["digests"]}
        kept = {"pending": True, "move": move, "told": {**compared, **told, "digests": digests}, "volumes": _volumes(source)}
        target.step("certificate", move, asked=kept)
    try:
        seed = site_seed(source.cluster.login(), site=source.site)
    except SiteConfigError as error:
        raise LocalError(f"The erasure cannot be certified, so nothing was erased: {error}", "Then run the command again.") from error
    prepare.discard(source)
    _await_volumes(source, kept["volumes"])
    at = datetime.now(UTC)
    envelope = certificate(
        seed,
        what="department",
        site=source.site,
        department=source.department,
        subjects=_subjects(source.department, kept["told"]),
        counts={key: int(value) for key, value in kept["told"].items() if key in ("tables", "rows", "objects")},
        checks=_checks(source, kept["volumes"]),
        at=at,
    )
    target.step("certificate", kept["move"], asked={"envelope": envelope, "key": json.loads(public_jwk(seed.hex()))})
    return envelope


def _subjects(department: str, told: Mapping[str, Any]) -> dict[str, str]:
    text = json.dumps({key: told[key] for key in sorted(told)}, separators=(",", ":"))
    return {
        f"department/{department}": hashlib.sha256(text.encode()).hexdigest(),
        **{str(k): str(v) for k, v in told.get("digests", {}).items()},
    }


def _checks(source: End, volumes: Mapping[str, str]) -> list[str]:
    listed = ", ".join(sorted(volumes)) or "none"
    return [
        f"Department {source.department} and namespaces {source.namespace} and {source.home} are no longer known to the API server of {source.site}",
        f"the persistent volumes of the namespaces ({listed}) are no longer known to it, and their reclaim policy was Delete",
    ]


def _volumes(source: End) -> dict[str, str]:
    """Return the volumes of the namespaces with their reclaim policy. Raises LocalError when one would be kept."""
    spaces = {source.namespace, source.home}
    items = [v for v in source.cluster.items("persistentvolumes") if (v["spec"].get("claimRef") or {}).get("namespace") in spaces]
    found = {v["metadata"]["name"]: str(v["spec"].get("persistentVolumeReclaimPolicy", "")) for v in items}
    kept = sorted(name for name, policy in found.items() if policy != "Delete")
    if kept:
        raise LocalError(
            f"{source.site}: volume {', '.join(kept)} would outlive the department (persistentVolumeReclaimPolicy)",
            "Set it to Delete, or erase the volume by hand; then run the command again.",
        )
    return found


def _await_volumes(source: End, volumes: Mapping[str, str]) -> None:
    def left() -> set[str]:
        return {v["metadata"]["name"] for v in source.cluster.items("persistentvolumes")} & set(volumes)

    if not gone(source) or not within(VOLUME_SECONDS, lambda: not left(), every=0.5):
        raise LocalError(f"{source.site}: volume {', '.join(sorted(left()))} does not go away", f"See what keeps it. {AGAIN}")


def route(department: str, site: str, url: str, kubectl: Path) -> bool:
    """Write down at the management cluster where the department is, if there is one; return whether there was.

    This is a record for those who keep the names: a real department has a name in DNS, which its keeper points at the new address.
    """
    from commonweal_stacks.management_access import management_file  # noqa: PLC0415

    if not management_file().is_file():
        return False
    cluster = Kubectl(kubectl, management_file(), "management")
    entry = json.dumps({"site": site, "url": url}, sort_keys=True)
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": ROUTES, "namespace": FLEET}, "data": {department: entry}}
    try:
        cluster.run(
            "apply",
            "--server-side",
            "--force-conflicts",
            f"--field-manager=commonweal-move-{department}",
            "-f",
            "-",
            stdin=json.dumps(manifest),
        )
    except KubectlError:
        return False
    return True
