"""The site's authority is exchanged without a refused request: who is believed, and who signs, at each moment of it."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from commonweal_api import platform_namespace_of
from commonweal_api.certificates import SITE_AUTHORITY, Authority
from commonweal_api.directory import Listed
from commonweal_api.people_issuer import PORTAL, PORTAL_WEB, Enrolled, held
from commonweal_operator.desired.authority import TOLD, standing
from commonweal_operator.desired.certificates import LIFETIME, RENEWED_AFTER, Wanted, believed, certificate, term
from commonweal_operator.desired.manifest import Owner
from commonweal_operator.engine.certificates import Certificates
from commonweal_operator.engine.issuer import IssuerKeeper
from commonweal_operator.handlers.run import with_public
from support.certificates import OTHER_SITE, SITE
from support.site import NOW, PLATFORM
from support.site_secrets import SYSTEM, SiteSecrets

MASTER = b"\xef" * 32
OLD = Authority(MASTER, SITE_AUTHORITY)  # what an earlier release made of the master key
OWNER = Owner("registry", "uid-1")
ONE = Wanted("data-api", platform_namespace_of("registry"), term(NOW, "p"), "", OWNER.ours)
PATH = f"/api/v1/namespaces/{ONE.namespace}/secrets/{ONE.name}"


class Site(SiteSecrets):
    """A site's Secrets, and what its operator made of them."""

    def __init__(self) -> None:
        super().__init__(MASTER, b"\xab" * 32)

    def told(self, *authorities: Authority) -> None:
        self.objects[f"{SYSTEM}/configmaps/commonweal-ca"] = {
            "metadata": {"uid": "c", "labels": {"app.kubernetes.io/managed-by": "commonweal"}},
            "data": {"ca.crt": "".join(a.certificate for a in authorities)},
        }

    def started(self, now: datetime, one: Wanted = ONE) -> tuple[list[Authority], Authority]:
        """Start an operator there; return whom it has everybody believe, and whose certificate lies there when it has looked."""
        platform = asyncio.run(with_public(self, PLATFORM, now))
        assert asyncio.run(IssuerKeeper(platform, frozenset, lambda: now).mend(self))
        assert asyncio.run(Certificates(platform).ensure([one], self)) is None
        published = self.objects[f"{SYSTEM}/configmaps/commonweal-ca"]["data"]["ca.crt"]
        shown = self.objects[PATH]["data"]["ca.crt"]
        known = {a.certificate: a for a in (SITE, OLD, OTHER_SITE)}
        (by,) = (a for text, a in known.items() if b64encode(text.encode()).decode() == shown)
        return [a for text, a in sorted(known.items(), key=lambda item: published.find(item[0])) if text in published], by


def test_a_new_site_believes_its_own_authority_which_signs_from_the_start() -> None:
    site = Site()
    assert site.started(NOW) == ([SITE], SITE)
    assert site.started(NOW + timedelta(hours=2)) == ([SITE], SITE)


def test_the_authority_does_not_follow_from_the_master_key() -> None:
    site = Site()
    assert site.started(NOW)[1] is not OLD
    site.secret("sectors", "master", b"\xee" * 32)
    assert site.started(NOW) == ([SITE], SITE)


def test_a_site_of_an_earlier_release_goes_on_while_its_authority_is_exchanged() -> None:
    site = Site()
    site.told(OLD)
    asyncio.run(site.apply(PATH, certificate(ONE, PLATFORM, OLD).body))
    assert site.started(NOW) == ([SITE, OLD], OLD), "both are believed before the new one signs"
    assert site.started(NOW + TOLD - timedelta(seconds=1)) == ([SITE, OLD], OLD), "whenever the operator starts again meanwhile"
    assert site.started(NOW + TOLD) == ([SITE, OLD], SITE)
    assert site.started(NOW + TOLD + LIFETIME - timedelta(seconds=1)) == ([SITE, OLD], SITE), (
        "a certificate of the old one may still be shown"
    )
    assert site.started(NOW + TOLD + LIFETIME) == ([SITE], SITE)
    assert site.started(NOW + TOLD + LIFETIME * 2) == ([SITE], SITE)


@pytest.mark.parametrize("change", [{"address": "10.1.2.3"}, {"term": term(NOW + RENEWED_AFTER, "p")}])
def test_a_certificate_that_is_due_meanwhile_is_of_the_new_authority(change: dict[str, Any]) -> None:
    site = Site()
    site.told(OLD)
    asyncio.run(site.apply(PATH, certificate(ONE, PLATFORM, OLD).body))
    assert site.started(NOW, replace(ONE, **change)) == ([SITE, OLD], SITE)


def test_without_the_secret_what_everybody_believes_stays_and_nothing_is_written() -> None:
    site = Site()
    site.told(OLD)
    before = dict(site.objects)
    del site.objects[f"{SYSTEM}/secrets/commonweal-authority"]
    platform = asyncio.run(with_public(site, PLATFORM, NOW))
    assert (platform.authority, believed(platform)) == ("", [])
    problem = asyncio.run(Certificates(platform).ensure([ONE], site))
    assert problem is not None
    assert "with the key authority: 64 hexadecimal digits" in problem.message
    assert site.written == []
    assert site.objects[f"{SYSTEM}/configmaps/commonweal-ca"] == before[f"{SYSTEM}/configmaps/commonweal-ca"]


def test_another_sites_authority_is_believed_while_it_is_named_and_not_a_day_longer() -> None:
    named = standing(SITE.certificate, OTHER_SITE.certificate, None, NOW)
    assert named == (SITE.certificate + OTHER_SITE.certificate, "", "")
    told = {"data": {"ca.crt": named.believed}, "metadata": {}}
    assert standing(SITE.certificate, "", told, NOW).believed == SITE.certificate


def issuers(site: Site, *departments: str) -> dict[str, Any]:
    site.objects[f"{SYSTEM}/services/identity"] = {"metadata": {"creationTimestamp": "2026-11-22T12:00:00Z"}, "status": {}}
    asyncio.run(IssuerKeeper(PLATFORM, lambda: frozenset(map(Listed, departments)), lambda: NOW).mend(site))
    return site.objects[f"{SYSTEM}/secrets/commonweal-identity"]


def test_the_issuer_is_given_the_ids_of_its_own_people_at_the_departments_that_there_are() -> None:
    site = Site()
    people = [{"username": "amina", "name": "Amina", "root": "QQ123456C", "passwordHash": "..."}]
    site.objects[f"{SYSTEM}/secrets/commonweal-people"] = {"data": {"people.json": b64encode(orjson.dumps(people)).decode()}}
    found = issuers(site, "tax", "benefits")
    wanted = held(MASTER, [Enrolled("QQ123456C")], ["benefits", "tax"], [PORTAL, PORTAL_WEB]).files
    assert (found["type"], found["data"]) == ("Opaque", {name: b64encode(text.encode()).decode() for name, text in wanted.items()})
    count = len(site.written)
    issuers(site, "tax", "benefits")
    assert len(site.written) == count, "nothing is written again"
    assert issuers(site, "tax", "benefits", "new")["data"] != found["data"]


@pytest.mark.parametrize("text", [b"{}", b"[{}]", b"not JSON"])
def test_people_that_cannot_be_read_leave_what_the_issuer_holds(text: bytes) -> None:
    site = Site()
    before = issuers(site, "tax")
    site.objects[f"{SYSTEM}/secrets/commonweal-people"] = {"data": {"people.json": b64encode(text).decode()}}
    assert issuers(site, "tax", "new") == before


def test_a_department_that_comes_is_noticed_between_two_looks() -> None:
    site, known, pauses = Site(), [frozenset({Listed("tax")})], list[float]()
    issuers(site, "tax")

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            known[0] = frozenset({Listed("tax"), Listed("new")})
        if len(pauses) == 5:
            raise asyncio.CancelledError

    keeper = IssuerKeeper(PLATFORM, lambda: known[0], lambda: NOW, pause)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(keeper.keep(site))
    assert (
        site.objects[f"{SYSTEM}/secrets/commonweal-identity"]["data"]["subjects.json"]
        == b64encode(held(MASTER, [], ["tax", "new"], [PORTAL, PORTAL_WEB]).files["subjects.json"].encode()).decode()
    )
