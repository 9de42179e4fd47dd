"""The whole way with a provider of somebody else's making: it knows people by a number of its own, the department by its pairwise id."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from support.data_api import DataApi, Issuer, subject
from support.department import Department
from support.loopback import client
from support.postgres import StoreServer
from support.provider import Provider


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def portal(department: Department, store: StoreServer, issuer: Issuer, provider: Provider) -> Iterator[httpx.Client]:
    """A second data API of the same department, whose people come from the provider."""
    names = {"ISSUER": provider.url, "JWKS": "", "AUDIENCE": "the-portal", "CLAIM": "citizen", "SUBJECT": "Source"}
    env = {f"COMMONWEAL_PERSON_{name}": value for name, value in names.items()}
    with DataApi(store, issuer, **env) as api, client(api.url) as http:
        yield http


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_person_of_the_provider_is_the_person_of_the_sources(
    portal: httpx.Client, department: Department, provider: Provider, algorithm: str
) -> None:
    me = bearer(provider.token(f"{algorithm}-1", citizen="P160"))
    given = portal.put("/me/consents/yes", json={"state": "Given"}, headers=me)
    assert given.json()["consent"]["state"] == "Given"
    assert department.ask(f"/v1/people/subjects/{subject('P160')}", "health").json()["record"]["fullName"] == "Person 160"
    assert portal.get("/me/uses?limit=1", headers=me).json()["items"][0]["consumer"] == "health"
    portal.put("/me/consents/yes", json={"state": "Withdrawn"}, headers=me)
    assert department.ask(f"/v1/people/subjects/{subject('P160')}", "health").status_code == 404


def test_the_other_issuers_people_are_not_signed_in_here(portal: httpx.Client, department: Department, provider: Provider) -> None:
    assert portal.get("/me/uses", headers=bearer(department.person(subject("P160")))).json()["reason"] == "TokenInvalid"
    token = provider.token(citizen="P160")
    assert department.http.get("/me/uses", headers=bearer(token)).json()["reason"] == "TokenInvalid"
    assert portal.get("/v1/people/subjects", headers={**bearer(token), "Purpose": "tax/serve"}).status_code == 401


def test_a_delegate_of_the_provider_acts_for_another(portal: httpx.Client, provider: Provider) -> None:
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    body = {"delegate": str(subject("P162")), "type": "Adviser", "acts": ["See"], "until": until}
    assert portal.post("/me/delegations", json=body, headers=bearer(provider.token(citizen="P161"))).status_code == 201
    about = {**bearer(provider.token(citizen="P162")), "On-Behalf-Of": str(subject("P161"))}
    assert portal.get("/me/consents", headers=about).status_code == 200
