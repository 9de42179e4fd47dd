"""An HTTP API is read page by page as the product declares it: every way of paging and of signing in, patience, and what need not be read again."""

from __future__ import annotations

import base64
import gzip
import json
import ssl
from ipaddress import ip_address
from typing import Any

import pytest

from commonweal_api.reasons import Reason
from commonweal_runtime.store.sources import Credentials, http_api, http_guard
from contract.sources.api_reading import Read, product, reads
from support.certificates import SITE
from support.json_api import Asked, Said, says, trusted

PEOPLE = [{"id": n, "name": f"N{n}"} for n in range(1, 6)]
ALL = [(str(n), f"N{n}") for n in range(1, 6)]
SIZED = {"size": 2, "sizeParameter": "limit"}
PAIR = Credentials("me", "s:ö", SITE.certificate)
TOKEN = Credentials("", "", SITE.certificate, "t0ken\n")


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return trusted(tmp_path_factory.mktemp("api"))


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only here may an API lie on loopback."""
    real = http_guard.refused
    monkeypatch.setattr(http_guard, "refused", lambda address: not address.is_loopback and real(address))


def part(asked: Asked, begin: int) -> list[dict[str, Any]]:
    return PEOPLE[begin : begin + int(asked.query.get("limit", "2"))]


def by_member(asked: Asked) -> Said:
    begin = int(asked.query.get("begin", "0"))
    following = f"https://localhost:{asked.port}/people?limit=2&begin={begin + 2}" if begin + 2 < len(PEOPLE) else None
    return says({"data": {"items": part(asked, begin)}, "@odata.nextLink": following})


def by_proxied_member(asked: Asked) -> Said:
    return Said(by_member(asked).body.replace(f"https://localhost:{asked.port}", "http://localhost"))  # type: ignore[arg-type]


def by_link(asked: Asked) -> Said:
    begin = int(asked.query.get("begin", "0"))
    following = f', </people?limit=2&begin={begin + 2}>; title="a, b"; rel="last next"' if begin + 2 < len(PEOPLE) else ""
    return says(part(asked, begin), headers={"Link": f'</people>; rel="first"{following}'})


def by_cursor(asked: Asked) -> Said:
    begin = int(asked.query.get("after", "+/&0=").strip("+/&="))
    following = f"+/&{begin + 2}=" if begin + 2 < len(PEOPLE) else ""
    return says({"items": part(asked, begin), "meta": {"next": following}})


def by_page(asked: Asked) -> Said:
    return says(part(asked, 2 * int(asked.query["page"])))


def by_offset(asked: Asked) -> Said:
    return says({"items": PEOPLE[int(asked.query["offset"]) :][:2], "total": 5})  # fewer than asked for, as a bound of the API's own


WAYS = {
    "none": ({}, lambda _: says(PEOPLE), 1),
    "next member": ({"records": "/data/items", "paging": {"by": "NextMember", "member": "@odata.nextLink", **SIZED}}, by_member, 3),
    "behind a proxy": ({"records": "/data/items", "paging": {"by": "NextMember", "member": "@odata.nextLink"}}, by_proxied_member, 3),
    "link header": ({"paging": {"by": "LinkHeader", **SIZED}}, by_link, 3),
    "cursor": ({"records": "items", "paging": {"by": "Cursor", "member": "/meta/next", "parameter": "after"}}, by_cursor, 3),
    "page": ({"paging": {"by": "Page", "parameter": "page", "first": 0}}, by_page, 4),
    "offset": ({"records": "items", "paging": {"by": "Offset", "parameter": "offset"}}, by_offset, 4),
    "total": ({"records": "items", "paging": {"by": "Offset", "parameter": "offset", "total": "total", "size": 9, "sizeParameter": "limit"}}, by_offset, 3),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_paging_gives_each_record_once(context: ssl.SSLContext, way: str) -> None:
    source, handler, pages = WAYS[way]
    read = reads(handler, context, source)[0]
    assert (read.error, read.rows, len(read.api.asked)) == (None, ALL, pages)


TOKENS = "https://localhost:{}/token?tenant=7"


def sign(header: str, value: str) -> Any:
    return lambda asked: says(PEOPLE) if asked.headers.get(header) == value else Said("", 401)


SIGNED = {
    "bearer": ({"by": "Bearer"}, TOKEN, sign("authorization", "Bearer t0ken")),
    "header": ({"by": "Header", "header": "X-API-Key"}, TOKEN, sign("x-api-key", "t0ken")),
    "basic": ({"by": "Basic"}, PAIR, sign("authorization", "Basic " + base64.b64encode("me:s:ö".encode()).decode())),
}


@pytest.mark.parametrize("way", SIGNED)
def test_the_secret_signs_in(context: ssl.SSLContext, way: str) -> None:
    auth, credentials, handler = SIGNED[way]
    source = {"auth": auth, "credentials": {"name": "login"}}
    assert reads(handler, context, source, credentials=credentials)[0].rows == ALL
    assert "CredentialsMissing: The Secret «login» lacks " in reads(handler, context, source)[0].told


def test_a_token_is_had_for_client_credentials_and_another_one_when_it_is_refused(context: ssl.SSLContext) -> None:
    given: list[Asked] = []

    def handler(asked: Asked) -> Said:
        if asked.path == "/token":
            given.append(asked)
            return says({"access_token": f"t{len(given)}", "token_type": "Bearer", "expires_in": 3600})
        known = asked.headers.get("authorization") == f"Bearer t{1 if asked.query['page'] == '0' else 2}"
        return by_page(asked) if known else Said("", 401)

    source = {"paging": {"by": "Page", "parameter": "page", "first": 0}, "credentials": {"name": "login"}}
    auth = {"by": "ClientCredentials", "scope": "read all"}
    read = reads(
        handler, context, lambda port: {**source, "auth": {**auth, "tokenUrl": f"https://localhost:{port}/token"}}, credentials=PAIR
    )[0]
    assert (read.error, read.rows) == (None, ALL)
    assert [(a.method, a.body) for a in given] == [("POST", "grant_type=client_credentials&scope=read+all")] * 2
    assert given[0].headers["authorization"] == "Basic " + base64.b64encode(b"me:s%3A%C3%B6").decode()
    for answer, told in (
        (Said("", 401), "CredentialsRefused"),
        (says({"token": 1}), "gives no bearer token"),
        (Said("<p>"), "the answer is no JSON"),
    ):
        found = reads(
            lambda asked, answer=answer: answer,
            context,
            lambda port: {**source, "auth": {**auth, "tokenUrl": f"https://localhost:{port}/token"}},
            credentials=PAIR,
        )[0]
        assert told in found.told
        assert "/token" in found.told


def test_constants_go_with_each_request(context: ssl.SSLContext) -> None:
    source = {"query": [{"name": "région", "value": "x"}], "headers": [{"name": "Accept", "value": "application/vnd.api+json"}]}
    source["query"] = [{"name": "filter[town]", "value": "a&b c"}]
    read = reads(lambda _: says(PEOPLE, headers={"Content-Type": "application/vnd.api+json"}), context, source)[0]
    assert read.rows == ALL
    assert read.api.asked[0].query == {"filter[town]": "a&b c"}
    assert read.api.asked[0].headers["accept"] == "application/vnd.api+json"


def test_an_api_that_is_busy_is_asked_again_when_it_says(context: ssl.SSLContext) -> None:
    answers = [Said("", 429, {"Retry-After": "7"}), Said("", 503), Said("", 302, {"Location": "/people/"})]

    def handler(asked: Asked) -> Said:
        return answers.pop(0) if answers else Said(gzip.compress(json.dumps(PEOPLE).encode()), headers={"Content-Encoding": "gzip"})

    read = reads(handler, context)[0]
    assert read.rows == ALL
    assert read.waits[0] == 7.0
    assert 1.0 <= read.waits[1] <= 2.0
    assert [a.path for a in read.api.asked] == ["/people", "/people", "/people", "/people/"]


def test_an_api_that_wants_to_be_left_alone_is_not_asked_by_the_next_load(context: ssl.SSLContext) -> None:
    first, second = reads(lambda _: Said("", 503, {"Retry-After": "3600"}), context, times=2)
    assert "wants to be asked again in 3600 s" in first.told
    assert "is not asked before" in second.told
    assert len(second.api.asked) == 1


def test_an_answer_that_is_as_it_was_is_known_by_its_tag(context: ssl.SSLContext) -> None:
    def handler(asked: Asked) -> Said:
        return Said("", 304) if asked.headers.get("if-none-match") == '"a"' else says(PEOPLE, headers={"ETag": '"a"'})

    first, second = reads(handler, context, times=2)
    assert first.survey is not None
    assert second.survey is not None
    assert first.survey.version == second.survey.version is not None
    assert second.rows == ALL  # where the store wants them all the same, they are asked for without a condition
    assert ["if-none-match" in a.headers for a in first.api.asked] == [False, True, False]


def test_the_version_follows_the_watermark_or_the_only_answer(context: ssl.SSLContext) -> None:
    def versions(source: dict[str, Any], *values: Any) -> list[str | None]:
        said = list(values)
        return [r.survey.version if r.survey else None for r in reads(lambda _: says(said.pop(0)), context, source, times=len(values))]

    same, other = {"items": PEOPLE, "at": 1}, {"items": PEOPLE[:1], "at": 1}
    marked = versions({"records": "items", "watermark": "at"}, same, other, {**same, "at": 2})
    assert marked[0] == marked[1] != marked[2]
    plain = versions({"records": "items"}, same, same, other)
    assert plain[0] == plain[1] != plain[2]
    paged = {"paging": {"by": "Page", "parameter": "page", "first": 0}}
    assert [r.survey.version for r in reads(by_page, context, paged) if r.survey] == [None]


def test_members_are_named_plainly_or_by_a_pointer_whatever_they_are_called(context: ssl.SSLContext) -> None:
    record = {"Date of birth": "2000-01-31", "a/b": {"straße": "Hof 1"}, "tags": ["x", "y"], "id": {"no": 7}, "; drop": None}
    names = ["Date of birth", "/a~1b/straße", "/tags/1", "; drop"]
    fields = [{"name": f"f{n}", "column": name, "type": "String"} for n, name in enumerate(names)]
    read = reads(lambda _: says([record]), context, {}, fields, column="/id/no")[0]
    assert (read.error, read.rows) == (None, [("7", "2000-01-31", "Hof 1", "y", None)])


def test_large_pages_come_in_batches(context: ssl.SSLContext) -> None:
    spec = product("https://a.example", {})
    assert spec.source.http is not None
    reader = http_api.HttpReader(None, spec, spec.source.http)  # type: ignore[arg-type]
    assert [len(columns[0]) for columns in reader._cut([{"id": "1", "name": "n"}] * 25_000)] == [10_000, 10_000, 5_000]
    assert [len(columns[0]) for columns in reader._cut([{"id": "1", "name": "n" * (3 << 20)}] * 4)] == [2, 2]


def test_the_rest_of_an_only_answer_is_read_where_a_load_broke_off(context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_api, "BATCH", 2)
    whole, rest = (reads(lambda _: says(PEOPLE), context, after=after)[0] for after in (None, "4"))
    assert (whole.rows, whole.positions) == (ALL, ["2", "4", "5"])
    assert (rest.rows, rest.positions, rest.error) == (ALL[4:], ["5"], None)
    paged = reads(by_page, context, {"paging": {"by": "Page", "parameter": "page", "first": 0}})[0]
    assert set(paged.positions) == {None}


HOSTS = {
    **{
        host: f"{host} is {host}, where no source is read"
        for host in ("127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "168.63.129.16")
    },
    **{host: f"{host} is 127.0.0.1, where no source is read" for host in ("localhost", "0x7f000001", "0x7f.1")},
    **{host: f"{host} is no name and no whole address" for host in ("2130706433", "127.1", "0177.0.0.1")},
}


@pytest.mark.parametrize("host", HOSTS)
def test_an_address_where_no_source_is_read_is_refused_before_anything_is_sent(
    context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.undo()
    read: Read = reads(lambda _: says(PEOPLE), context, host=host)[0]
    assert read.error is not None
    assert read.error.reason is Reason.ADDRESS_REFUSED
    assert HOSTS[host] in read.told
    assert read.api.asked == []


@pytest.mark.parametrize(
    ("address", "no_source"),
    [("::1", True), ("fe80::1", True), ("::ffff:127.0.0.1", True), ("64:ff9b::7f00:1", True), ("2002:7f00:1::", True), ("fd00:ec2::254", True), ("10.0.0.7", False), ("2001:db8::7", False)],
)  # fmt: skip
def test_an_address_is_seen_through_what_it_stands_for(monkeypatch: pytest.MonkeyPatch, address: str, no_source: bool) -> None:
    monkeypatch.undo()
    assert http_guard.refused(ip_address(address)) is no_source
