"""The directory of a site: what anybody may know of its departments, and what the people's issuer, its store and the portal hold beside it."""

from __future__ import annotations

import json

from commonweal_api.directory import LARGEST, Listed, directory
from commonweal_api.pairwise import pairwise
from commonweal_api.people_issuer import PORTAL, PORTAL_WEB, Enrolled, held, held_by_portal, held_by_store
from commonweal_api.signatures import sector_key

MASTER = bytes(range(32))
KEY = {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": "0" * 16, "alg": "EdDSA", "use": "sig", "purpose": "Seal"}
TAX = Listed.of("tax", "Tax Authority", "mailto:tax@example.org", {"dataApi": "https://tax", "models": "https://models", "keys": [KEY]})


def test_a_department_is_listed_with_all_that_an_application_needs_and_nothing_else() -> None:
    found = json.loads(directory("onprem", [TAX]).text)
    entry = {
        "name": "tax",
        "displayName": {"en": "Tax Authority"},
        "contact": "mailto:tax@example.org",
        "dataApi": "https://tax",
        "models": "https://models",
        "keys": [KEY],
    }
    assert found == {"site": "onprem", "departments": [entry]}


def test_a_name_in_welsh_stands_beside_the_english_one() -> None:
    welsh = Listed.of("tax", "Tax Authority", "mailto:tax@example.org", {"dataApi": "https://tax"}, "Awdurdod Trethi")
    [found] = json.loads(directory("", [welsh]).text)["departments"]
    assert found["displayName"] == {"en": "Tax Authority", "cy": "Awdurdod Trethi"}


def test_departments_stand_by_name_and_one_without_a_data_api_is_not_there_yet() -> None:
    plain = Listed.of("benefits", "Benefits", "mailto:b@example.org", {"dataApi": "https://benefits"})
    found = json.loads(directory("", [TAX, plain, Listed("new")]).text)["departments"]
    assert [each["name"] for each in found] == ["benefits", "tax"]
    assert "models" not in found[0]
    assert directory("", [TAX, plain]) == directory("", [plain, TAX])


def test_more_departments_than_there_is_room_for_are_counted_and_left_out_from_the_end() -> None:
    many = [TAX._replace(name=f"department-{n:05}", display_name="x" * 120) for n in range(2500)]
    found = directory("onprem", many)
    names = [each["name"] for each in json.loads(found.text)["departments"]]
    assert found.left_out > 0
    assert names == [each.name for each in many[: len(many) - found.left_out]]
    assert LARGEST - 1000 < len(found.text.encode()) <= LARGEST


def subjects(*people: Enrolled) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(held(MASTER, people, ["tax", "benefits"], [PORTAL, PORTAL_WEB]).files["subjects.json"])
    return found


def test_a_department_has_every_root_and_the_links_that_lead_to_it() -> None:
    found = subjects(Enrolled("P1"), Enrolled(links={"tax": "UTR9", "elsewhere": "X"}), Enrolled("P3", {"benefits": "QQ1"}), Enrolled())
    assert {sector: set(ids) for sector, ids in found.items()} == {
        "tax": {"P1", "UTR9", "P3"},
        "benefits": {"P1", "QQ1", "P3"},
        f"client:{PORTAL}": {"P1", "P3"},
        f"client:{PORTAL_WEB}": {"P1", "P3"},
    }
    assert found["tax"]["UTR9"] == str(pairwise(sector_key(MASTER, "tax"), "UTR9"))
    assert found["tax"]["P1"] == subjects(Enrolled("P1"))["tax"]["P1"], "an id does not change with who else is there"


def test_one_key_of_two_people_takes_room_once() -> None:
    assert subjects(Enrolled("P1"), Enrolled(links={"tax": "P1"})) == subjects(Enrolled("P1"))


def test_the_store_and_the_portal_hold_one_thing_each_and_nothing_of_the_master_key() -> None:
    store, portal = held_by_store(MASTER), held_by_portal(MASTER)
    assert (store.keys(), portal.keys()) == ({"store"}, {"cookie"})
    assert store["store"] == held(MASTER, [], [], []).files["store"]
    secrets = {MASTER.hex(), *store.values(), *portal.values(), *(held(MASTER, [], [], []).files[name] for name in ("signing", "seal"))}
    assert len(secrets) == 5, "no two of them are one"
    assert all(len(bytes.fromhex(each)) == 32 for each in secrets)
