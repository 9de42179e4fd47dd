"""Whatever an API answers, a load ends with a message that names URL, page and remedy, and with nothing of a query, a token or a value in it."""

from __future__ import annotations

import gzip
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from commonweal_runtime.store.sources import Credentials, http_client, http_guard
from contract.sources.api_reading import Read, reads
from support.certificates import OTHER_SITE, SITE
from support.json_api import Asked, Handler, Said, says, trusted

SECRET = "made-up-token-1234"
ONE = [{"id": 1, "name": "Ada"}]
TWO = [{"id": 2, "name": "Bo"}]
NEXT = {"records": "items", "paging": {"by": "NextMember", "member": "next"}}
CURSOR = {"records": "items", "paging": {"by": "Cursor", "member": "/meta/next", "parameter": "after"}}
PAGE = {"paging": {"by": "Page", "parameter": "page"}}
OFFSET = {"paging": {"by": "Offset", "parameter": "offset", "size": 1, "sizeParameter": "limit"}}
TOTAL = {"records": "items", "paging": {"by": "Page", "parameter": "page", "total": "total"}}
AT = "https://localhost:PORT/people, page "


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return trusted(tmp_path_factory.mktemp("api"))


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only here may an API lie on loopback."""
    real = http_guard.refused
    monkeypatch.setattr(http_guard, "refused", lambda address: not address.is_loopback and real(address))


@dataclass
class Case:
    handler: Handler | Said
    told: str
    source: dict[str, Any] = field(default_factory=dict)
    asked: int | None = 1  # None: the client library itself asks once more

    def answer(self, asked: Asked) -> Said | bytes:
        return self.handler if isinstance(self.handler, Said) else self.handler(asked)


def on(page: dict[str, Said | Any], parameter: str = "page") -> Handler:
    """Answer by a query parameter."""
    return lambda asked: value if isinstance(value := page[asked.query.get(parameter, "")], Said) else says(value)


def linked(to: str) -> Handler:
    return lambda asked: says({"items": ONE, "next": to.replace("PORT", str(asked.port))})


CASES = {
    "a page of sign-in": Case(Said("<html>Sign in</html>", headers={"Content-Type": "text/html"}), f"AnswerRefused: {AT}1: the answer is HTML or XML"),
    "nothing": Case(Said(""), f"AnswerRefused: {AT}1: the answer is empty instead of JSON"),
    "half a document": Case(Said('[{"id": 1, "name": "A'), f"{AT}1: the answer is no JSON (from character"),
    "a document that ends early": Case(Said('[{"id": 1},'), f"{AT}1: the answer is cut off in the middle"),
    "a connection cut in a page": Case(Said('[{"id": 1}]', headers={"Content-Length": "500"}), "SourceUnreachable: " + AT + "1: the answer breaks off, 5 times", asked=5),
    "no HTTP": Case(lambda _: b"SSH-2.0-OpenSSH_9.2\r\n\r\n", f"AnswerRefused: {AT}1: the answer is no HTTP"),
    "nothing at all": Case(lambda _: b"", f"SourceUnreachable: {AT}1: the API does not answer, 5 times in a row", asked=None),
    "a member twice": Case(Said('[{"id": 1, "id": 2}]'), f"{AT}1: the answer has an object with the member «id» twice"),
    "NaN": Case(Said('[{"id": NaN}]'), f"{AT}1: the answer has the word NaN"),
    "a nest": Case(Said("[" * 100_000), f"{AT}1: the answer is nested too deep"),
    "very many values": Case(Said("[" + "1," * 500_000 + "1]"), f"{AT}1: the answer holds more than 500000 values; ask for smaller pages"),
    "an item that is no object": Case(says([*ONE, "Ada"]), f"{AT}1: record 2 is no object"),
    "an item that is null": Case(says([None]), f"{AT}1: record 1 is no object"),
    "an object for a list": Case(says({"error": "x", "items": ONE}), f"{AT}1: the answer is no list; the answer has error, items; name where the list is by records"),
    "the list elsewhere": Case(says({"data": ONE}), f"{AT}1: records «items» is no list there; the answer has data; correct it", NEXT),
    "another charset": Case(Said("[]", headers={"Content-Type": "application/json; charset=ISO-8859-1"}), f"{AT}1: the answer is in iso-8859-1"),
    "another packing": Case(Said("[]", headers={"Content-Encoding": "br"}), f"{AT}1: the answer is packed as br"),
    "gzip that is none": Case(Said("[]", headers={"Content-Encoding": "gzip"}), f"{AT}1: the answer says that it is gzip"),
    "half a gzip": Case(Said(gzip.compress(b"[]" * 99)[:20], headers={"Content-Encoding": "gzip"}), f"{AT}1: the answer says that it is gzip"),
    "a bomb": Case(Said(gzip.compress(b" " * (12 << 20)), headers={"Content-Encoding": "gzip"}), f"{AT}1: the answer has more than 8 MiB; ask for smaller pages"),
    "a flood": Case(Said(b" " * (9 << 20)), f"{AT}1: the answer has more than 8 MiB"),
    "401": Case(Said("no", 401), f"CredentialsRefused: {AT}1: the API refuses who asks (401)"),
    "403": Case(Said("no", 403), f"CredentialsRefused: {AT}1: the API refuses what is asked for"),
    "404": Case(Said("no", 404), f"AnswerRefused: {AT}1: the API answers 404 instead of 200; see whether url is right"),
    "204": Case(Said("", 204), f"AnswerRefused: {AT}1: the API answers 204"),
    "400": Case(Said("", 400), f"AnswerRefused: {AT}1: the API answers 400 instead of 200; see whether query and paging"),
    "500": Case(Said("no", 500), f"SourceUnreachable: {AT}1: the API answers 500, 5 times in a row", asked=5),
    "500 on the second page": Case(on({"1": ONE, "2": Said("", 500)}), f"SourceUnreachable: {AT}2: the API answers 500, 5 times", PAGE, 6),
    "come back tomorrow": Case(Said("", 503, {"Retry-After": "86400"}), f"SourceUnreachable: {AT}1: the API answers 503, and wants to be asked again in 86400 s"),
    "a redirect elsewhere": Case(Said("", 302, {"Location": "https://169.254.169.254/people?secret=1"}), f"AddressRefused: {AT}1: the API sends to another place, https://169.254.169.254/people, and is not followed"),
    "a redirect to another port": Case(Said("", 302, {"Location": "https://localhost:1/people"}), "AddressRefused"),
    "a redirect to itself": Case(Said("", 302, {"Location": "/people"}), f"AnswerRefused: {AT}1: the API sends on more than 5 times", asked=6),
    "a redirect to nowhere": Case(Said("", 302), f"AnswerRefused: {AT}1: the API sends on more than 5 times", asked=6),
    "a next page elsewhere": Case(linked("https://evil.example/people?token=x"), f"AddressRefused: {AT}1: the next page lies elsewhere, at https://evil.example/people, and", NEXT),
    "a next page with a login": Case(linked("https://a:b@localhost:PORT/people?2"), "AddressRefused", NEXT),
    "a next page that is a file": Case(linked("file:///etc/passwd"), "AddressRefused", NEXT),
    "a next page that is no URL": Case(linked("https://[::1"), "AddressRefused", NEXT),
    "a next page that is an object": Case(says({"items": ONE, "next": {"href": "x"}}), f"{AT}1: paging.member «next» is neither a text nor a number", NEXT),
    "a next page that is itself": Case(linked("https://localhost:PORT/people"), f"AnswerRefused: {AT}2: the next page is one that was read before", NEXT, 2),
    "pages that go round": Case(lambda a: says({"items": ONE, "next": "?b=1" if "a" in a.query else "?a=1"}), "the next page is one that was read before", NEXT, 3),
    "a cursor that comes again": Case(says({"items": ONE, "meta": {"next": "x"}}), f"{AT}2: the cursor is one that was given before, so the pages never end", CURSOR, 2),
    "a parameter that the API ignores": Case(says(ONE), f"{AT}2: the same answer came before, so the API does not take paging.parameter", PAGE, 2),
    "an offset that the API ignores": Case(says(ONE), f"{AT}2: the same answer came before", OFFSET, 2),
    "a total that is none": Case(says({"items": ONE, "total": "about 5"}), f"{AT}1: paging.total «total» is no whole number", TOTAL),
    "fewer than the total": Case(on({"1": {"items": ONE, "total": 3}, "2": {"items": [], "total": 3}}), f"LoadFailed: {AT}2: 1 records were read, and the API counts 3; they are read again", TOTAL, 2),
    "more than the total": Case(on({"1": {"items": ONE, "total": 2}, "2": {"items": [*TWO, *TWO], "total": 2}}), f"LoadFailed: {AT}2: 3 records were read, and the API counts 2", TOTAL, 2),
    "a watermark that moves": Case(on({"1": {"items": ONE, "at": 1}, "2": {"items": TWO, "at": 2}}), "LoadFailed: https://localhost:PORT/people, page 2: the watermark changed while", {"records": "items", **PAGE, "watermark": "at"}, 2),
    "a watermark that is none": Case(says({"items": ONE, "at": None}), f"{AT}1: watermark «at» is no value there", {"records": "items", "watermark": "at"}),
    "a record that is nested": Case(says([{"id": 1, "name": {"first": "Ada"}}]), "ColumnTypeMismatch: https://localhost:PORT/people: the member «name», which name names, holds objects; name a plain value in it by a JSON pointer, such as /name/first"),
    "a record with a list": Case(says([{"id": [1, 2], "name": "Ada"}]), "ColumnTypeMismatch: https://localhost:PORT/people: the member «id», which spec.subject.column names, holds lists"),
    "no such member": Case(says([{"id": 1}]), "ColumnMissing: https://localhost:PORT/people: no record has the member «name», which name names"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_an_api_may_answer(context: ssl.SSLContext, name: str) -> None:
    case = CASES[name]
    source = {"auth": {"by": "Bearer"}, "credentials": {"name": "login"}, "query": [{"name": "key", "value": "hidden"}], **case.source}
    read = reads(case.answer, context, source, credentials=Credentials("", "", SITE.certificate, SECRET))[0]
    assert case.told in read.told
    assert not [word for word in (SECRET, "hidden", "Ada", "Error", "Exception") if word in read.told]
    assert case.asked in {None, len(read.api.asked)}
    assert {a.headers["authorization"] for a in read.api.asked} == {f"Bearer {SECRET}"}


def test_an_answer_that_never_ends_is_waited_for_only_so_long(context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(http_client, "TRIES", 2)
    slow = Said(" " * 50, headers={"Content-Length": "900", "Connection": "keep-alive"}, hold=True)
    read = reads(lambda _: slow, context)[0]
    assert "SourceUnreachable: " + AT + "1: the API does not answer within 0 s, 2 times" in read.told


@pytest.mark.parametrize(
    ("hosts", "credentials", "told"),
    [
        (("localhost",), Credentials("", "", OTHER_SITE.certificate), "presents a certificate that does not hold"),
        (("elsewhere.example",), Credentials("", "", SITE.certificate), "presents a certificate that does not hold"),
        (("localhost",), Credentials("", ""), "presents a certificate that does not hold"),
        (("localhost",), Credentials("", "", "no PEM"), "The key ca.crt of the source's Secret holds no certificate"),
    ],
)
def test_an_api_that_does_not_prove_who_it_is_is_told_nothing(
    tmp_path: Path, hosts: tuple[str, ...], credentials: Credentials, told: str
) -> None:
    read: Read = reads(lambda _: says(ONE), trusted(tmp_path, *hosts), credentials=credentials)[0]
    assert "SourceUnproven" in read.told
    assert told in read.told
    assert read.api.asked == []
