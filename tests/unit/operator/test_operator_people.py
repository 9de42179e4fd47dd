"""What the people's issuer, its store and the portal are given in the platform's own namespace, and when."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from typing import Any

import orjson
import pytest

from commonweal_api.directory import Listed
from commonweal_api.people_issuer import PORTAL, PORTAL_WEB, Enrolled, held, held_by_portal, held_by_store
from commonweal_operator.desired.issuer import known
from commonweal_operator.engine.issuer import PRESENTLY, SECONDS, IssuerKeeper, public_names
from commonweal_operator.kinds.reading import listed, read
from support.certificates import SITE
from support.site import NOW, PLATFORM
from support.site_secrets import SYSTEM, SiteSecrets

MASTER = b"\xef" * 32
WITH_PORTAL = PLATFORM.model_copy(update={"authority": SITE.certificate, "site": "onprem", "portal": "https://my.example.org"})
TAX = Listed("tax", "Tax Authority", "mailto:tax@example.org", "https://tax")


def service(kind: str = "ClusterIP") -> dict[str, Any]:
    return {"metadata": {"creationTimestamp": NOW.isoformat()}, "spec": {"type": kind}, "status": {}}


def site(*services: str) -> SiteSecrets:
    made = SiteSecrets(MASTER, b"\xab" * 32)
    made.objects |= {f"{SYSTEM}/services/{name}": service() for name in services}
    return made


def files(made: SiteSecrets, name: str) -> dict[str, str]:
    return {key: b64decode(text).decode() for key, text in made.objects[f"{SYSTEM}/secrets/{name}"]["data"].items()}


def test_each_gets_what_is_its_own_and_a_certificate() -> None:
    made = site("identity", "identity-store", "portal")
    assert asyncio.run(IssuerKeeper(WITH_PORTAL, lambda: frozenset({TAX}), lambda: NOW).mend(made)) == SECONDS
    assert files(made, "commonweal-identity") == held(MASTER, [], ["tax"], [PORTAL, PORTAL_WEB]).files
    assert files(made, "commonweal-identity-store") == held_by_store(MASTER)
    assert files(made, "commonweal-portal") == held_by_portal(MASTER)
    names = {
        name: made.objects[f"{SYSTEM}/secrets/commonweal-{name}-tls"]["metadata"]["annotations"]["commonweal.dev/valid-for"].split(",")
        for name in ("identity", "identity-store", "portal")
    }
    assert all(f"{name}.commonweal-system.svc.cluster.local" in found for name, found in names.items())
    assert names["portal"][-1] == "my.example.org"
    directory = json.loads(made.objects[f"{SYSTEM}/configmaps/commonweal-directory"]["data"]["directory.json"])
    assert (directory["site"], [each["name"] for each in directory["departments"]]) == ("onprem", ["tax"])


def test_a_site_without_the_portal_holds_nothing_for_it() -> None:
    made = site("identity", "identity-store")
    asyncio.run(IssuerKeeper(WITH_PORTAL.model_copy(update={"portal": ""}), frozenset, lambda: NOW).mend(made))
    assert not [path for path in made.written if "portal" in path]


def test_without_an_issuer_nothing_is_held_for_anybody() -> None:
    made = site("portal")
    assert asyncio.run(IssuerKeeper(WITH_PORTAL, frozenset, lambda: NOW).mend(made)) == PRESENTLY
    assert {path.rpartition("/")[2] for path in made.written} == {"commonweal-ca", "commonweal-portal-tls"}


def test_a_balanced_site_does_not_wait_for_an_address_of_the_headless_store() -> None:
    made = site("identity-store")
    balanced = WITH_PORTAL.model_copy(update={"expose": "LoadBalancer"})
    asyncio.run(IssuerKeeper(balanced, frozenset, lambda: NOW).mend(made))
    assert f"{SYSTEM}/secrets/commonweal-identity-store-tls" in made.objects


def test_people_that_cannot_be_read_keep_neither_the_directory_nor_the_store_waiting() -> None:
    made = site("identity")
    made.objects[f"{SYSTEM}/secrets/commonweal-people"] = {"data": {"people.json": b64encode(b"[{}]").decode()}}
    asyncio.run(IssuerKeeper(WITH_PORTAL, lambda: frozenset({TAX}), lambda: NOW).mend(made))
    assert f"{SYSTEM}/configmaps/commonweal-directory" in made.objects
    assert f"{SYSTEM}/secrets/commonweal-identity-store" in made.objects
    assert f"{SYSTEM}/secrets/commonweal-identity" not in made.objects


@pytest.mark.parametrize("change", [{"data_api": "https://moved"}, {"keys": (b'{"kid":"new"}',)}, {"display_name": "Revenue"}])
def test_a_directory_that_changed_is_noticed_between_two_looks(change: dict[str, Any]) -> None:
    made, said, pauses = site("identity"), [frozenset({TAX})], list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            said[0] = frozenset({TAX._replace(**change)})
        if len(pauses) == 5:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(IssuerKeeper(WITH_PORTAL, lambda: said[0], lambda: NOW, pause).keep(made))
    assert made.written.count(f"{SYSTEM}/configmaps/commonweal-directory") == 2


def test_people_are_read_with_a_root_with_links_with_both_and_with_neither() -> None:
    people = [
        {"username": "a", "root": "P1", "passwordHash": "..."},
        {"username": "b", "links": {"tax": "UTR1"}},
        {"username": "c", "root": "P3", "links": {"tax": "UTR3"}},
        {"username": "d"},
    ]
    found = known({"data": {"people.json": b64encode(orjson.dumps(people))}})
    assert found.people == [Enrolled("P1"), Enrolled(None, {"tax": "UTR1"}), Enrolled("P3", {"tax": "UTR3"}), Enrolled()]
    assert found.clients == [PORTAL, PORTAL_WEB]


def test_the_directory_says_what_the_department_s_object_says() -> None:
    body = {
        "apiVersion": "commonweal.dev/v1alpha1",
        "kind": "Department",
        "metadata": {"name": "tax", "uid": "u", "resourceVersion": "1", "generation": 1},
        "spec": {"displayName": "Tax Authority", "contact": "mailto:tax@example.org"},
        "status": {"dataApi": "https://tax", "keys": [{"kid": "k"}]},
    }
    assert listed(read(body, None)) == TAX._replace(keys=(b'{"kid":"k"}',))
    assert listed(read(body | {"spec": {}}, None)) == Listed("tax"), "its people are known, whatever its spec says"


def test_only_a_name_outside_the_cluster_is_added_to_a_certificate() -> None:
    inside = WITH_PORTAL.model_copy(update={"person_issuer": "https://identity.commonweal-system.svc.cluster.local"})
    assert public_names(inside, "identity") == ()
    assert public_names(inside.model_copy(update={"person_issuer": "https://sign-in.example.org:8443"}), "identity") == (
        "sign-in.example.org",
    )
    assert public_names(inside, "identity-store") == ()
