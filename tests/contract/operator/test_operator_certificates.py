"""Certificates of workloads as the operator makes them on a real API server, with the rights that the chart gives it."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509

from commonweal_api.certificates import Authority
from commonweal_api.people_issuer import PORTAL, PORTAL_WEB, Enrolled, held
from contract.operator.stage import DEPARTMENTS, SYSTEM
from support.certificates import OTHER_SITE, SITE
from support.control_plane import ControlPlane
from support.kube_api import MERGE, Refused
from support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("business")
REGISTRY, OURS = "dept-companies-registry", "dept-companies-registry-platform"
DATA_API = f"/api/v1/namespaces/{OURS}/secrets/commonweal-data-api-tls"


def read(plane: ControlPlane, path: str) -> dict[str, Any]:
    return wait_for(path, lambda: found(plane, path), seconds=90)


def found(plane: ControlPlane, path: str) -> dict[str, Any] | None:
    try:
        return plane.api().request("GET", path)
    except Refused:
        return None


def pair(secret: dict[str, Any]) -> dict[str, str]:
    return {name: b64decode(text).decode() for name, text in secret["data"].items()}


def restarted(operator: Any) -> None:
    """Secrets are not watched: they are looked at again at each full list, and at a start."""
    operator.settled()
    assert operator.stop() == 0
    operator.start()


def test_each_workload_has_a_certificate_of_the_sites_authority_for_its_names(plane: ControlPlane) -> None:
    for service in ("data-api", "models"):
        secret = read(plane, f"/api/v1/namespaces/{OURS}/secrets/commonweal-{service}-tls")
        made = x509.load_pem_x509_certificate(pair(secret)["tls.crt"].encode())
        authority = x509.load_pem_x509_certificate(SITE.certificate.encode())
        made.verify_directly_issued_by(authority)
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        assert names == [f"{service}.{OURS}{rest}" for rest in (".svc.cluster.local", ".svc", "")]
        assert made.not_valid_before_utc < datetime.now(UTC) < made.not_valid_after_utc
        assert secret["type"] == "kubernetes.io/tls"
        assert secret["metadata"]["annotations"]["commonweal.dev/valid-for"] == ",".join(names)
        assert secret["metadata"]["annotations"]["commonweal.dev/not-after"] == made.not_valid_after_utc.isoformat()


@pytest.mark.parametrize("namespace", [REGISTRY, OURS, SYSTEM])
def test_whom_to_believe_is_published(plane: ControlPlane, namespace: str) -> None:
    assert read(plane, f"/api/v1/namespaces/{namespace}/configmaps/commonweal-ca")["data"] == {"ca.crt": SITE.certificate}


def test_a_changed_word_of_whom_to_believe_is_put_right(plane: ControlPlane, operator: Any) -> None:
    operator.settled()
    path = f"/api/v1/namespaces/{REGISTRY}/configmaps/commonweal-ca"
    plane.api().request("PATCH", path, {"data": {"ca.crt": "somebody else"}}, content_type=MERGE)
    wait_for("the authority", lambda: plane.api().request("GET", path)["data"]["ca.crt"] == SITE.certificate or None)


def test_a_restart_writes_none_again(plane: ControlPlane, operator: Any) -> None:
    before = read(plane, DATA_API)
    restarted(operator)
    operator.settled()
    assert read(plane, DATA_API)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


@pytest.mark.parametrize("what", ["broken", "forged", "without its key"])
def test_one_that_is_not_ours_is_replaced(plane: ControlPlane, operator: Any, what: str) -> None:
    """By its content: the annotations of the forged one say all that ours say."""
    before = read(plane, DATA_API)
    names = before["metadata"]["annotations"]["commonweal.dev/valid-for"].split(",")
    forged = SITE.issue(names, datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC))
    other = {
        "broken": {"tls.crt": "not a certificate"},
        "forged": {"tls.crt": forged.certificate, "tls.key": forged.key},
        "without its key": {"tls.key": forged.key},
    }[what]
    data = {name: b64encode(text.encode()).decode() for name, text in other.items()}
    plane.api().request("PATCH", DATA_API, {"data": data}, content_type=MERGE)
    restarted(operator)
    wait_for("its own certificate again", lambda: read(plane, DATA_API)["data"] == before["data"] or None)


def test_the_people_s_issuer_has_one_too(plane: ControlPlane) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "identity", "namespace": SYSTEM}}
    plane.apply({**service, "spec": {"ports": [{"port": 443}], "selector": {"a": "b"}}})
    secret = read(plane, f"/api/v1/namespaces/{SYSTEM}/secrets/commonweal-identity-tls")
    made = x509.load_pem_x509_certificate(pair(secret)["tls.crt"].encode())
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(SITE.certificate.encode()))
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert f"identity.{SYSTEM}.svc.cluster.local" in names


def test_the_people_s_issuer_holds_the_ids_of_its_people_and_not_the_master_key(plane: ControlPlane) -> None:
    people = [{"username": "amina", "name": "Amina", "root": "QQ123456C", "passwordHash": "unread here"}]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "commonweal-people", "namespace": SYSTEM}}
    plane.apply({**secret, "stringData": {"people.json": json.dumps(people)}})
    wanted = held(bytes.fromhex("cd" * 32), [Enrolled("QQ123456C")], DEPARTMENTS, [PORTAL, PORTAL_WEB]).files
    path = f"/api/v1/namespaces/{SYSTEM}/secrets/commonweal-identity"
    wait_for("the ids of its people", lambda: pair(read(plane, path)) == wanted or None, seconds=90)


def test_another_authority_is_believed_beside_the_old_one_before_it_certifies_anything(plane: ControlPlane, operator: Any) -> None:
    before, key = read(plane, DATA_API), f"/api/v1/namespaces/{SYSTEM}/secrets/commonweal-authority"
    operator.settled()

    def exchanged(byte: str, *believed: Authority) -> dict[str, Any]:
        """Give the site that authority; the operator ends, and the next one begins with it."""
        plane.api().request("PATCH", key, {"data": {"authority": b64encode(byte.encode() * 32).decode()}}, content_type=MERGE)
        wait_for("the operator's end", lambda: not operator.running or None)
        operator.start()
        wanted = "".join(each.certificate for each in believed)
        for namespace in (SYSTEM, REGISTRY, OURS):
            path = f"/api/v1/namespaces/{namespace}/configmaps/commonweal-ca"
            wait_for(path, lambda path=path: read(plane, path)["data"]["ca.crt"] == wanted or None)
        operator.settled()
        return read(plane, f"/api/v1/namespaces/{SYSTEM}/configmaps/commonweal-ca")["metadata"]

    assert "commonweal.dev/authority-exchanged" in exchanged("cd", OTHER_SITE, SITE)["annotations"]
    assert read(plane, DATA_API)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    exchanged("ab", SITE, OTHER_SITE)
    assert read(plane, DATA_API)["data"] == before["data"]
