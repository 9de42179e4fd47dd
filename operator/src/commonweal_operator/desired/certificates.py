"""Certificates of the workloads that are spoken to over HTTP, and which authority everybody trusts. Time is an argument: a term follows from it, and a certificate from its term."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from commonweal_api import GROUP
from commonweal_api.certificates import Authority, is_address
from commonweal_api.common import AUTHORITY, AUTHORITY_KEY
from commonweal_operator.desired.manifest import MANAGED_BY, MANAGED_LABEL, RESOURCES, Child, Manifest, Owner, child
from commonweal_operator.desired.platform import PlatformConfig

LIFETIME = timedelta(days=30)
RENEWED_AFTER = LIFETIME * 2 / 3
# A certificate without the load balancer's address would be replaced when it comes, and until a kubelet looks again nobody outside could be sure of the server.
ADDRESS_SECONDS = timedelta(seconds=10)
TLS_SECRET = "kubernetes.io/tls"  # noqa: S105 - a type, not a secret
NOT_AFTER, VALID_FOR = f"{GROUP}/not-after", f"{GROUP}/valid-for"
EXCHANGED = f"{GROUP}/authority-exchanged"
TLS_DIRECTORY = "/etc/commonweal/tls"
TLS_MOUNT = {"name": "tls", "mountPath": TLS_DIRECTORY, "readOnly": True}
TLS_VARIABLE = {"name": "COMMONWEAL_TLS_DIR", "value": TLS_DIRECTORY}


class Term(NamedTuple):
    """From when a certificate is issued, and when the next one is due."""

    begin: datetime
    next: datetime

    @property
    def end(self) -> datetime:
        """When it ends to be valid: a third of its life after the next one is due."""
        return self.begin + LIFETIME


@dataclass(frozen=True, slots=True)
class Wanted:
    """One certificate that shall be there: for `service` in its owner's namespace, or where `namespace` says when nobody owns it.

    `address` is that of the load balancer, if there is one; `names` are others under which it is known outside.
    """

    service: str
    namespace: str
    term: Term
    address: str = ""
    owner: Owner | None = None
    names: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The Secret's name, which the pod mounts."""
        return secret_of(self.service)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names under which the Service is known inside the cluster, and its address outside."""
        short = f"{self.service}.{self.namespace}"
        return (f"{short}.svc.cluster.local", f"{short}.svc", short, *dict.fromkeys(filter(None, (*self.names, self.address))))


def secret_of(service: str) -> str:
    """Return the name of the Secret with a service's certificate: no tenant may write or mount what is called so."""
    return f"commonweal-{service}-tls"


def term(now: datetime, place: str) -> Term:
    """Return the term that is under way. It follows from the time and the place alone, and no two places begin theirs at the same moment."""
    offset = int.from_bytes(hashlib.sha256(place.encode()).digest()[:8]) % int(RENEWED_AFTER.total_seconds())
    since, length = int(now.timestamp()) - offset, int(RENEWED_AFTER.total_seconds())
    begin = datetime.fromtimestamp(since // length * length + offset, UTC)
    return Term(begin, begin + RENEWED_AFTER)


def certificate(wanted: Wanted, platform: PlatformConfig, authority: Authority | None) -> Child:
    """Return the Secret that the site's authority issues, or without one the object by which cert-manager is asked for it: the same content each time."""
    if authority is None:
        return _asked_for(wanted, platform)
    end = wanted.term.end
    issued = authority.issue(wanted.hosts, wanted.term.begin, end, derived_from=wanted.owner.uid if wanted.owner else wanted.namespace)
    data = {"tls.crt": issued.certificate, "tls.key": issued.key, AUTHORITY_KEY: authority.certificate}
    metadata = _metadata(wanted)
    metadata["annotations"] = {NOT_AFTER: end.isoformat(), VALID_FOR: ",".join(wanted.hosts)}
    return child("Secret", metadata, type=TLS_SECRET, data={key: b64encode(text.encode()).decode() for key, text in data.items()})


def awaited_until(platform: PlatformConfig, address: str, made: datetime, now: datetime) -> datetime | None:
    """Return until when the load balancer's address of a Service that was made then is waited for; None when it is not."""
    until = made + ADDRESS_SECONDS
    return until if platform.expose == "LoadBalancer" and not address and now < until else None


def believed(platform: PlatformConfig, owner: Owner | None = None) -> list[Child]:
    """Return the ConfigMap with the certificate of the authority to trust, which is public: the owner's, or that of the platform's own namespace. Nothing while it is not known."""
    if not platform.authority:
        return []
    metadata = owner.metadata(AUTHORITY) if owner else _unowned(AUTHORITY, platform.system_namespace)
    if platform.authority_since and not owner:
        metadata["annotations"] = {EXCHANGED: platform.authority_since}
    return [child("ConfigMap", metadata, data={AUTHORITY_KEY: platform.authority})]


def tls_volume(service: str = "") -> Manifest:
    """Return the volume with which authority to trust, and with a service its own certificate. A pod waits until both are there."""
    own = (
        [{"secret": {"name": secret_of(service), "items": [{"key": key, "path": key} for key in ("tls.crt", "tls.key")]}}]
        if service
        else []
    )
    trust = {"configMap": {"name": AUTHORITY, "items": [{"key": AUTHORITY_KEY, "path": AUTHORITY_KEY}]}}
    return {"name": "tls", "projected": {"defaultMode": 0o440, "sources": [*own, trust]}}


def _asked_for(wanted: Wanted, platform: PlatformConfig) -> Child:
    addresses = [host for host in wanted.hosts if is_address(host)]
    spec: Manifest = {
        "secretName": wanted.name,
        "secretTemplate": {"labels": _metadata(wanted)["labels"]},
        "issuerRef": platform.issuer_ref.wire(),
        "dnsNames": [host for host in wanted.hosts if host not in addresses],
        "duration": _hours(LIFETIME),
        "renewBefore": _hours(LIFETIME - RENEWED_AFTER),
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["digital signature", "server auth"],
    }
    spec |= {"ipAddresses": addresses} if addresses else {}
    return child("Certificate", _metadata(wanted), spec=spec)


def _hours(span: timedelta) -> str:
    return f"{int(span.total_seconds()) // 3600}h0m0s"


def _metadata(wanted: Wanted) -> Manifest:
    return wanted.owner.metadata(wanted.name, wanted.service) if wanted.owner else _unowned(wanted.name, wanted.namespace)


def _unowned(name: str, namespace: str) -> Manifest:
    return {"name": name, "namespace": namespace, "labels": {MANAGED_LABEL: MANAGED_BY}}


def path_of(made: Child) -> str:
    """Return where it lies."""
    return RESOURCES[made.kind].path(made.namespace, made.name)
