"""When a certificate is issued, renewed, waited with and replaced: decided from the time and from what lies there."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from commonweal_api import platform_namespace_of
from commonweal_api.directory import Listed
from commonweal_operator.desired.certificates import LIFETIME, RENEWED_AFTER, Wanted, certificate, term
from commonweal_operator.desired.manifest import Owner
from commonweal_operator.desired.platform import IssuerRef, PlatformConfig
from commonweal_operator.engine.apply import Problem
from commonweal_operator.engine.certificates import Certificates
from commonweal_operator.engine.issuer import PRESENTLY, SECONDS, SOON, IssuerKeeper
from commonweal_operator.engine.observed import ServiceAddress
from commonweal_operator.kinds.certificates import Exposed, next_moment, wanted
from support.certificates import SITE
from support.site import NOW, PLATFORM
from support.site_secrets import SiteSecrets

OWNER = Owner("registry", "uid-1")
OURS = platform_namespace_of("registry")
BALANCED = PLATFORM.model_copy(update={"expose": "LoadBalancer", "authority": SITE.certificate})
MANAGED = PLATFORM.model_copy(update={"issuer_ref": IssuerRef(name="company"), "authority": SITE.certificate})
PLACES = [f"{platform_namespace_of(f'd{n}')}/data-api" for n in range(200)]


def exposed(address: str | None, made: datetime = NOW) -> tuple[Exposed, ...]:
    return (Exposed("data-api", None if address is None else ServiceAddress(address, made)),)


def hosts(platform: PlatformConfig, address: str | None, now: datetime, made: datetime = NOW) -> list[tuple[str, ...]]:
    return [w.hosts for w in wanted(OWNER, platform, exposed(address, made), now, volumes=False)]


@pytest.mark.parametrize("place", PLACES[:20])
def test_at_each_moment_a_certificate_has_a_third_of_its_life_before_it(place: str) -> None:
    for hours in range(0, 24 * 45, 7):
        now = NOW + timedelta(hours=hours)
        found = term(now, place)
        assert found.begin <= now < found.next == found.begin + RENEWED_AFTER
        assert found.end - now > LIFETIME / 3 - timedelta(seconds=1)
        assert term(found.next, place).begin == found.next, "the next one begins as the last one is due"
        assert term(found.next - timedelta(seconds=1), place) == found


def test_no_moment_is_everybodys_turn() -> None:
    days = [term(NOW, place).next.date() for place in PLACES]
    assert max(map(days.count, days)) < len(PLACES) / 4


def test_the_address_of_a_load_balancer_is_waited_for_and_not_for_ever() -> None:
    inside = (f"data-api.{OURS}.svc.cluster.local", f"data-api.{OURS}.svc", f"data-api.{OURS}")
    assert hosts(BALANCED, None, NOW) == [], "the Service has not been seen"
    assert hosts(BALANCED, "", NOW) == []
    assert next_moment(OWNER, BALANCED, exposed(""), NOW) == NOW + timedelta(seconds=10)
    assert hosts(BALANCED, "", NOW + timedelta(seconds=10)) == [inside]
    assert hosts(BALANCED, "10.1.2.3", NOW) == [(*inside, "10.1.2.3")]
    assert hosts(BALANCED, "lb.example", NOW) == [(*inside, "lb.example")]
    assert hosts(PLATFORM, None, NOW) == hosts(PLATFORM, "", NOW) == [inside]


def test_the_pass_is_asked_for_again_when_the_next_one_is_due() -> None:
    due = next_moment(OWNER, BALANCED, exposed("10.1.2.3"), NOW)
    assert due == term(NOW, f"{OURS}/data-api").next
    (before,) = wanted(OWNER, BALANCED, exposed("10.1.2.3"), due - timedelta(seconds=1), volumes=False)
    (after,) = wanted(OWNER, BALANCED, exposed("10.1.2.3"), due, volumes=False)
    assert before != after
    assert next_moment(OWNER, MANAGED, exposed("10.1.2.3"), NOW) is None, "cert-manager renews its own"


def test_the_reader_of_volumes_has_one_where_there_are_volumes() -> None:
    found = wanted(OWNER, PLATFORM, (), NOW, volumes=True)
    assert [(w.namespace, w.name, w.hosts[0]) for w in found] == [
        ("dept-registry", "commonweal-volumes-tls", "volumes.dept-registry.svc.cluster.local")
    ]
    assert wanted(OWNER, PLATFORM, (), NOW, volumes=False) == ()


class Server(SiteSecrets):
    """The Secrets of a site whose keys are those of the other tests."""

    def __init__(self) -> None:
        super().__init__(b"\xcd" * 32, b"\xab" * 32)


ONE = Wanted("data-api", OURS, term(NOW, "p"), "10.1.2.3", OWNER.ours)
PATH = f"/api/v1/namespaces/{OURS}/secrets/commonweal-data-api-tls"


def ensured(server: Server, one: Wanted = ONE, platform: PlatformConfig = PLATFORM) -> Problem | None:
    """Bring one about as an operator does that has just been started."""
    return asyncio.run(Certificates(platform).ensure([one], server))


def test_it_is_written_once_and_after_a_restart_not_again() -> None:
    server = Server()
    assert ensured(server) is ensured(server) is None
    assert server.written == [PATH]


CHANGES = {
    "an address": {"address": "10.1.2.4"},
    "a term": {"term": term(NOW + RENEWED_AFTER, "p")},
    "an owner": {"owner": Owner("registry", "uid-2").ours},
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_address_term_or_department_of_that_name_gets_another_key(change: str) -> None:
    first = orjson.loads(certificate(ONE, PLATFORM, SITE).body)["data"]
    other = orjson.loads(certificate(replace(ONE, **CHANGES[change]), PLATFORM, SITE).body)["data"]
    assert {"tls.crt", "tls.key"} <= {key for key in first if first[key] != other[key]}
    assert b64decode(first["ca.crt"]).decode() == SITE.certificate


@pytest.mark.parametrize("data", [{}, {"tls.crt": ""}, {"tls.crt": "Zm9yZ2Vk"}, {"tls.key": "Zm9yZ2Vk"}, {"ca.crt": "Zm9yZ2Vk"}])
def test_what_lies_there_and_is_not_what_it_shall_be_is_replaced(data: dict[str, str]) -> None:
    server = Server()
    ensured(server)
    good = server.objects[PATH]
    server.objects[PATH] = {**good, "data": {**good["data"], **data} if data else {}}
    assert ensured(server) is None
    assert server.objects[PATH]["data"] == good["data"]
    assert server.written == [PATH, PATH]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"metadata": {"uid": "x", "labels": {}}}, "does not belong to this department; delete it"),
        ({"type": "Opaque"}, "is of type Opaque"),
    ],
)
def test_what_belongs_to_somebody_else_is_left_and_said(other: dict[str, Any], said: str) -> None:
    server = Server()
    ensured(server)
    server.objects[PATH] |= other
    problem = ensured(server)
    assert problem is not None
    assert said in problem.message
    assert server.written == [PATH]


def test_without_an_authority_nobody_certifies() -> None:
    server = Server()
    server.objects.clear()
    problem = ensured(server)
    assert problem is not None
    assert "The site's authority is missing. Create Secret commonweal-authority in namespace commonweal-system" in problem.message


def test_cert_manager_is_asked_for_the_same_names_in_the_same_secret() -> None:
    server = Server()
    assert ensured(server, platform=MANAGED) is ensured(server, platform=MANAGED) is None
    (path,) = server.written
    assert path == f"/apis/cert-manager.io/v1/namespaces/{OURS}/certificates/commonweal-data-api-tls"
    spec = server.objects[path]["spec"]
    assert spec["secretName"] == ONE.name
    assert (*spec["dnsNames"], *spec["ipAddresses"]) == ONE.hosts
    assert spec["issuerRef"] == {"name": "company", "kind": "ClusterIssuer", "group": "cert-manager.io"}
    assert (spec["duration"], spec["renewBefore"]) == ("720h0m0s", "240h0m0s")
    server.objects[path]["spec"] = spec | {"revisionHistoryLimit": 1, "dnsNames": ["other.example"]}
    ensured(server, platform=MANAGED)
    assert server.objects[path]["spec"]["dnsNames"] == spec["dnsNames"]


def identity(address: str = "") -> dict[str, Any]:
    return {
        "metadata": {"creationTimestamp": "2026-11-22T12:00:00Z"},
        "status": {"loadBalancer": {"ingress": [{"ip": address}] if address else None}},
    }


def test_the_people_s_issuer_waits_for_its_address_and_is_looked_at_again_soon() -> None:
    server, clock = Server(), [NOW]
    keeper = IssuerKeeper(BALANCED, lambda: frozenset({Listed("tax")}), lambda: clock[0])
    service, secret = (f"/api/v1/namespaces/commonweal-system/{p}" for p in ("services/identity", "secrets/commonweal-identity-tls"))
    assert asyncio.run(keeper.mend(server)) == PRESENTLY, "there is none"
    server.objects[service] = identity()
    assert asyncio.run(keeper.mend(server)) == SOON
    assert secret not in server.objects
    server.objects[service] = identity("10.1.2.3")
    assert asyncio.run(keeper.mend(server)) == SECONDS
    assert server.objects[secret]["metadata"]["annotations"]["commonweal.dev/valid-for"].endswith(",10.1.2.3")
    before = list(server.written)
    made = [("configmaps", "commonweal-ca"), ("configmaps", "commonweal-directory"), ("secrets", "commonweal-identity-store")]
    made += [("secrets", "commonweal-identity"), ("secrets", "commonweal-identity-tls")]
    assert before == [f"/api/v1/namespaces/commonweal-system/{kind}/{name}" for kind, name in made]
    asyncio.run(keeper.mend(server))
    assert server.written == before
    clock[0] += RENEWED_AFTER
    asyncio.run(keeper.mend(server))
    assert server.written == [*before, secret]
