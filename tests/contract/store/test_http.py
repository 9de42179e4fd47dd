"""The data API over HTTP, in front of a real store kept by a real keeper: who is answered what."""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support.data_api import DataApi, Exchange, Issuer, KeeperProcess, agreement, person_product, plan, subject, visit_product
from support.loopback import client
from support.postgres import HeritageServer, StoreServer
from support.waiting import wait_for

PAST = {"from": "2025-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
FUTURE = {"from": "2029-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"}
PERSON, OTHER = subject("P1"), subject("P2")


class Department:
    """The running department and a client to ask it with."""

    def __init__(self, api: DataApi, issuer: Issuer, http: httpx.Client) -> None:
        self.api, self.issuer, self.http = api, issuer, http

    def ask(self, path: str, consumer: str = "tax", purpose: str | None = None, token: str | None = None, **headers: str) -> httpx.Response:
        """Ask as a consumer's client `app`, for its purpose unless another is given; an empty one is left out. `if_match` is If-Match."""
        purpose = f"{consumer}/serve" if purpose is None else purpose
        own = {"Authorization": f"Bearer {token or self.issuer.client(consumer, 'app')}"} | ({"Purpose": purpose} if purpose else {})
        return self.http.get(path, headers=own | {k.replace("_", "-"): v for k, v in headers.items()})

    def me(self, method: str, path: str, who: uuid.UUID = PERSON, subject: uuid.UUID | None = None, **more: object) -> httpx.Response:
        """Ask as a person, about `subject` if that is somebody else."""
        headers = {"Authorization": f"Bearer {self.issuer.person(who)}"} | ({"On-Behalf-Of": str(subject)} if subject else {})
        return self.http.request(method, path, headers=headers, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def department(store: StoreServer, heritage: HeritageServer, issuer: Issuer) -> Iterator[Department]:
    exchange = Exchange(store.directory / "exchange")
    wanted = plan(
        {"people": person_product(heritage), "visits": visit_product(heritage)},
        {
            "task": agreement("PublicTask"),
            "duty": agreement("LegalObligation", consumer="benefits", fields=["fullName", "area", "income", "active", "seen"]),
            "yes": agreement("Consent", consumer="health"),
            "visits": agreement("PublicTask", product="visits", fields=["kind", "hasDay"], limits={"maxRows": 3}),
            "ended": agreement("PublicTask", consumer="old", validity=PAST),
            "later": agreement("PublicTask", consumer="new", validity=FUTURE),
        },
    )
    exchange.put(wanted)
    with KeeperProcess(store, exchange.directory):
        asyncio.run(exchange.settled(wanted))
        with DataApi(store, issuer) as api, client(api.url) as http:
            yield Department(api, issuer, http)


def test_a_point_read_gives_exactly_the_agreed_fields(department: Department) -> None:
    answer = department.ask(f"/v1/people/subjects/{PERSON}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {"subject": str(PERSON), "record": {"fullName": "Person 1", "birthYear": 1950}}


def test_types_travel_as_json_and_iso(department: Department) -> None:
    record = department.ask(f"/v1/people/subjects/{PERSON}", "benefits").json()["record"]
    assert record == {"fullName": "Person 1", "area": "AB1", "income": 1.5, "active": False, "seen": "2026-01-01T01:00:00+00:00"}


def test_fields_cut_the_record(department: Department) -> None:
    assert department.ask(f"/v1/people/subjects/{PERSON}?fields=birthYear").json()["record"] == {"birthYear": 1950}


def test_several_records_come_together_and_say_when_they_are_cut(department: Department) -> None:
    answer = department.ask(f"/v1/visits/subjects/{PERSON}").json()
    assert [r["record"] for r in answer["records"]] == ["100", "150", "200"]
    assert answer["truncated"] is True
    assert set(answer["records"][0]) == {"record", "kind", "hasDay"}


def test_pages_walk_everybody_once(department: Department) -> None:
    seen, after = [], None
    while True:
        page = department.ask("/v1/people/subjects?limit=70" + (f"&after={after}" if after else "")).json()
        seen += [item["subject"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(seen) == sorted(str(subject(f"P{n}")) for n in range(1, 201))
    assert len(seen) == len(set(seen))


def test_pages_of_many_records_lose_nobody(department: Department) -> None:
    seen: set[str] = set()
    after = None
    while True:
        page = department.ask("/v1/visits/subjects" + (f"?after={after}" if after else "")).json()
        assert sum(len(i["records"]) for i in page["items"]) <= 3
        seen |= {i["subject"] for i in page["items"]}
        after = page["next"]
        if after is None:
            break
    assert seen == {str(subject(f"P{n}")) for n in range(1, 51)}


P = f"/v1/people/subjects/{PERSON}"
REFUSED: dict[str, tuple[dict[str, str], int, str]] = {
    "another department": ({"path": P, "consumer": "stranger"}, 403, "NoAgreement"),
    "unknown product": ({"path": f"/v1/nothing/subjects/{PERSON}"}, 403, "NoAgreement"),
    "agreement on another product": ({"path": f"/v1/visits/subjects/{PERSON}", "consumer": "benefits"}, 403, "NoAgreement"),
    "no purpose": ({"path": P, "purpose": ""}, 403, "PurposeMissing"),
    "another purpose": ({"path": P, "purpose": "tax/other"}, 403, "PurposeNotAgreed"),
    "field not agreed": ({"path": P + "?fields=postcode"}, 403, "FieldNotAgreed"),
    "field unknown": ({"path": P + "?fields=_consent"}, 403, "FieldNotAgreed"),
    "expired": ({"path": P, "consumer": "old"}, 403, "AgreementExpired"),
    "not begun": ({"path": P, "consumer": "new"}, 403, "AgreementNotBegun"),
    "absent": ({"path": f"/v1/people/subjects/{uuid.UUID(int=1)}"}, 404, "NotFound"),
    "no consent": ({"path": P, "consumer": "health"}, 404, "NotFound"),
    "no uuid": ({"path": "/v1/people/subjects/abc"}, 400, "InvalidRequest"),
    "limit of nought": ({"path": "/v1/people/subjects?limit=0"}, 400, "InvalidRequest"),
    "limit too large": ({"path": "/v1/people/subjects?limit=1001"}, 400, "InvalidRequest"),
    "after is no uuid": ({"path": "/v1/people/subjects?after=x"}, 400, "InvalidRequest"),
    "empty field": ({"path": P + "?fields=,"}, 400, "InvalidRequest"),
    "twice": ({"path": P + "?fields=birthYear&fields=born"}, 400, "InvalidRequest"),
    "no such address": ({"path": "/v2/x"}, 404, "NotFound"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_each_refusal_has_its_reason_and_a_remedy(department: Department, case: str) -> None:
    asked, status, reason = REFUSED[case]
    answer = department.ask(**asked)
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["reason"]) == (status, status, reason)
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail", "reason", "remedy"}
    assert problem["remedy"]


def test_without_or_with_a_wrong_token_nothing_is_said(department: Department) -> None:
    bare = department.http.get(P, headers={"Purpose": "tax/serve"})
    assert (bare.status_code, bare.json()["reason"]) == (401, "TokenMissing")
    assert bare.headers["www-authenticate"].startswith("Bearer")
    for token in (
        "x.y.z",
        department.issuer.client("tax", "app", aud="https://commonweal.dev/departments/other"),
        department.issuer.client("tax", "app", exp=1),
        department.issuer.person(PERSON),
    ):
        answer = department.ask(P, token=token)
        assert (answer.status_code, answer.json()["reason"]) == (401, "TokenInvalid")


def test_another_client_of_the_same_department_has_no_agreement(department: Department) -> None:
    answer = department.ask(P, token=department.issuer.client("tax", "other"))
    assert (answer.status_code, answer.json()["reason"]) == (403, "NoAgreement")


def test_a_clients_token_is_no_persons(department: Department) -> None:
    headers = {"Authorization": f"Bearer {department.issuer.client('tax', 'app')}"}
    assert department.http.get("/me/uses", headers=headers).status_code == 401


def test_absent_and_denied_are_the_same_bytes(department: Department) -> None:
    same = {"x_request_id": "the-same", "if_none_match": "*"}
    absent = department.ask(f"/v1/people/subjects/{uuid.uuid4()}", "health", **same)
    denied = department.ask(f"/v1/people/subjects/{OTHER}", "health", **same)
    assert (absent.status_code, denied.status_code) == (404, 404)
    assert absent.content == denied.content
    assert {k: v for k, v in absent.headers.items() if k != "date"} == {k: v for k, v in denied.headers.items() if k != "date"}


def test_absent_and_denied_take_the_same_time(department: Department) -> None:
    """Interleaved pairs: 50 % means nothing to see. The bound allows five standard errors of a fair coin."""
    times: tuple[list[float], list[float]] = ([], [])
    headers = {"Authorization": f"Bearer {department.issuer.client('health', 'app')}", "Purpose": "health/serve"}
    for n in range(150):
        pair = [(0, uuid.uuid4()), (1, subject(f"P{50 + n % 150}"))]
        for which, key in pair if n % 2 else reversed(pair):
            begun = time.perf_counter()
            assert department.http.get(f"/v1/people/subjects/{key}", headers=headers).status_code == 404
            times[which].append(time.perf_counter() - begun)
    slower = statistics.mean(d > a for a, d in zip(*times, strict=True))
    assert abs(slower - 0.5) < 5 * 0.5 / 150**0.5


def test_consent_opens_and_withdrawal_closes_with_the_next_read(department: Department) -> None:
    path = f"/v1/people/subjects/{PERSON}"
    for _ in range(20):
        given = department.me("PUT", "/me/consents/yes", json={"state": "Given"})
        assert given.json()["consent"]["state"] == "Given"
        assert department.ask(path, "health").status_code == 200
        withdrawn = department.me("PUT", "/me/consents/yes", json={"state": "Withdrawn"})
        assert withdrawn.json()["consent"]["state"] == "Withdrawn"
        assert department.ask(path, "health").status_code == 404


def test_objection_closes_public_task_and_lifting_opens_it(department: Department) -> None:
    path = f"/v1/people/subjects/{OTHER}"
    assert department.ask(path).status_code == 200
    assert department.me("PUT", "/me/objections/task", OTHER, json={"state": "Objected"}).json()["objected"]["state"] == "Objected"
    assert department.ask(path).status_code == 404
    assert str(OTHER) not in department.ask("/v1/people/subjects?limit=1000").text
    department.me("PUT", "/me/objections/task", OTHER, json={"state": "Lifted"})
    assert department.ask(path).status_code == 200


PERSON_REFUSED: dict[str, tuple[str, str, object, int, str]] = {
    "consent where it is not the basis": ("PUT", "/me/consents/task", {"state": "Given"}, 409, "NothingToDecide"),
    "objection under legal obligation": ("PUT", "/me/objections/duty", {"state": "Objected"}, 409, "NothingToDecide"),
    "no such agreement": ("PUT", "/me/consents/none", {"state": "Given"}, 404, "NotFound"),
    "no such state": ("PUT", "/me/consents/yes", {"state": "Perhaps"}, 400, "InvalidRequest"),
    "no state": ("PUT", "/me/consents/yes", {}, 400, "InvalidRequest"),
    "more than a state": ("PUT", "/me/consents/yes", {"state": "Given", "subject": str(OTHER)}, 400, "InvalidRequest"),
    "not an object": ("PUT", "/me/objections/task", [], 400, "InvalidRequest"),
    "too large": ("PUT", "/me/consents/yes", {"state": "x" * 40_000}, 413, "BodyTooLarge"),
    "another method": ("POST", "/me/consents/yes", {}, 405, "MethodNotAllowed"),
}


@pytest.mark.parametrize("case", PERSON_REFUSED)
def test_each_refusal_of_a_person_has_its_reason(department: Department, case: str) -> None:
    method, path, body, status, reason = PERSON_REFUSED[case]
    answer = department.me(method, path, json=body)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


def test_a_person_sees_each_use_with_purpose_fields_and_basis(department: Department) -> None:
    who = subject("P77")
    department.ask(f"/v1/people/subjects/{who}")
    department.ask(f"/v1/people/subjects/{who}?fields=birthYear")
    department.ask(f"/v1/people/subjects/{who}", "health")
    uses = department.me("GET", "/me/uses", who).json()["items"]
    shown = [(u["consumer"], u["client"], u["purpose"]["key"], u["fields"], u["basis"], u["given"]) for u in uses[:3]]
    assert shown == [
        ("health", "health/app", "health/serve", ["fullName", "birthYear"], "Consent", False),
        ("tax", "tax/app", "tax/serve", ["birthYear"], "PublicTask", True),
        ("tax", "tax/app", "tax/serve", ["fullName", "birthYear"], "PublicTask", True),
    ]
    assert uses[0]["purpose"]["text"]["en"].startswith("A sentence")


def test_a_page_read_shows_in_the_uses_of_everybody_on_it(department: Department) -> None:
    page = department.ask("/v1/people/subjects?limit=5").json()
    for item in page["items"]:
        newest = department.me("GET", "/me/uses?limit=1", uuid.UUID(item["subject"])).json()["items"][0]
        assert (newest["agreement"], newest["given"]) == ("task", True)


def test_uses_come_in_pages_without_gaps(department: Department) -> None:
    who = subject("P78")
    for _ in range(5):
        department.ask(f"/v1/people/subjects/{who}")
    whole = department.me("GET", "/me/uses", who).json()["items"]
    pieces, before = [], None
    while True:
        page = department.me("GET", "/me/uses?limit=2" + (f"&before={before}" if before else ""), who).json()
        pieces += page["items"]
        before = page["next"]
        if before is None:
            break
    assert pieces == whole


def test_a_person_sees_the_agreements_that_concern_them(department: Department) -> None:
    items = {i["agreement"]: i for i in department.me("GET", "/me/consents", subject("P60")).json()["items"]}
    assert set(items) == {"task", "duty", "yes", "ended", "later"}  # no visits: P60 has none
    assert items["task"]["consent"] == {"state": "NotNeeded"}
    assert items["duty"]["objected"] == {"state": "NotApplicable"}
    assert items["yes"]["consent"]["state"] == "NotGiven"
    assert items["yes"]["purposes"][0]["key"] == "health/serve"


def test_a_stranger_sees_nothing(department: Department) -> None:
    assert department.me("GET", "/me/uses", uuid.uuid4()).json() == {"items": [], "next": None}
    assert department.me("GET", "/me/consents", uuid.uuid4()).json() == {"items": []}


def test_reads_that_arrive_together_get_each_their_own_answer_and_audit_row(department: Department, store: StoreServer) -> None:
    """Coalesced reads must not be mixed up, nor audited as one."""

    async def count() -> int:
        connection = await store.superuser("department")
        try:
            rows: int = await connection.fetchval("select count(*) from audit.use where op = 'point'")
            return rows
        finally:
            await connection.close()

    before = asyncio.run(count())
    numbers = [n % 200 + 1 for n in range(300)]
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda n: department.ask(f"/v1/people/subjects/{subject(f'P{n}')}").json(), numbers))
    assert [a["record"]["fullName"] for a in answers] == [f"Person {n}" for n in numbers]
    assert asyncio.run(count()) == before + len(numbers)


def test_refusals_are_logged_without_the_product_or_the_subject(department: Department) -> None:
    department.ask(f"/v1/secret-product/subjects/{PERSON}", "stranger")
    assert '"refused": "NoAgreement", "client": "stranger/app"' in department.api.log
    assert "secret-product" not in department.api.log
    assert str(PERSON) not in department.api.log


def test_the_openapi_document_names_what_is_served(department: Department) -> None:
    document = department.http.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert {"/v1/people/subjects/{subject}", "/v1/visits/subjects", "/me/consents/{agreement}"} <= set(document["paths"])
    assert "127.0.0.1" not in str(document)


NOISE = [
    "",
    " ",
    "%00",
    "%F0%9F%92%A9",
    "..",
    "a" * 300,
    "1e9",
    "-1",
    "null",
    "{}",
    "'",
    "' or 1=1 --",
    "%27%3B%20drop",
    str(PERSON),
    str(uuid.UUID(int=0)),
    "0",
    "99999999999999999999",
]


def test_noise_is_never_answered_with_a_fault(department: Department) -> None:
    """A small fuzz along the OpenAPI document: every path, every parameter, with a consumer's and with a person's token."""
    document = department.http.get("/openapi.json").json()
    chance = random.Random(5)
    tokens = [department.issuer.client("tax", "app"), department.issuer.person(PERSON)]
    statuses = set()
    for path, item in document["paths"].items():
        for method in item:
            for _ in range(40):
                filled = re.sub(r"{\w+}", lambda _: chance.choice(NOISE).replace(" ", "%20").replace("'", "%27") or "x", path)
                query = "&".join(f"{name}={chance.choice(NOISE)}" for name in chance.sample(["after", "limit", "fields", "before", "x"], 2))
                headers = {"Authorization": f"Bearer {chance.choice(tokens)}", "Purpose": chance.choice(["tax/serve", "x", "tax/serve, x"])}
                body = chance.choice([b"", b"{", b"null", b'{"state": 1}', b'{"state": "Given"}', b"\xff", b"[" * 200])
                answer = department.http.request(
                    method.upper(), f"{filled}?{query}", headers=headers, content=body if method == "put" else None
                )
                statuses.add(answer.status_code)
                assert answer.status_code < 500, (method, filled, query, answer.text)
                assert answer.headers["content-type"] in {"application/json", "application/problem+json"}
    assert {200, 400, 401, 403, 404} <= statuses


def test_the_store_down_is_a_503_with_a_remedy_and_never_an_open_door(department: Department, store: StoreServer) -> None:
    """Last: it stops the store, and starts it again to see the service come back by itself."""
    store.stop()
    for path in (P, "/v1/people/subjects"):
        answer = department.ask(path)
        assert (answer.status_code, answer.json()["reason"]) == (503, "StoreUnavailable")
        assert answer.headers["retry-after"]
    assert department.me("GET", "/me/uses").status_code == 503
    assert department.http.get("/healthz").status_code == 200
    store.start()
    wait_for("the service to come back", lambda: department.ask(P).status_code == 200 or None)
