"""Whatever an API does while it is read, what was loaded before stays served; a record that comes twice is one, and an unchanged answer writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from commonweal_api.plan import StorePlan
from commonweal_runtime.store.sources import http_guard
from support.certificates import SITE
from support.data_api import agreement, plan, subject
from support.json_api import Api, Asked, Said, running, says, trusted
from support.keeper import Bench


@dataclass
class Register:
    """An API with two pages of people, of which a test changes what the second one is."""

    first: list[int] = field(default_factory=lambda: list(range(50)))
    second: list[int] | Said = field(default_factory=lambda: list(range(50, 100)))
    api: Api = field(default_factory=Api)

    def answer(self, asked: Asked) -> Said:
        chosen = self.second if asked.query.get("page") == "2" else self.first
        if isinstance(chosen, Said):
            return chosen
        following = None if asked.query.get("page") == "2" else "/people?page=2"
        return says({"items": [{"id": f"P{n}", "full name": f"Person {n}", "age": n} for n in chosen], "next": following})


@pytest.fixture
def register(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    real, found, secret = http_guard.refused, Register(), bench.exchange.directory / "secrets" / "api"
    secret.mkdir(parents=True, exist_ok=True)
    (secret / "ca.crt").write_text(SITE.certificate)
    (secret / "token").write_text("made-up")
    monkeypatch.setattr(http_guard, "refused", lambda address: not address.is_loopback and real(address))
    with running(found.answer, trusted(tmp_path)) as found.api:
        yield found


def served(register: Register, percent: int) -> StorePlan:
    """Return the plan; another percentage is another plan, at which the source is read at once."""
    http = {"url": register.api.url, "records": "items", "paging": {"by": "NextMember", "member": "next"}, "auth": {"by": "Bearer"}}
    fields = [
        {"name": "fullName", "column": "full name", "type": "String"},
        {"name": "adult", "from": "cast(age as bigint) >= 18", "type": "Boolean"},
    ]
    body = {"title": "People", "version": "1.0.0", "class": "Person", "source": {"http": {**http, "credentials": {"name": "api"}}}}
    serve = {"refreshSeconds": 3600, "maxLossPercent": percent}
    product = {**body, "subject": {"column": "/id"}, "fields": fields, "serve": serve}
    return plan({"people": product}, {"yes": agreement("LegalObligation", fields=["fullName"])})


def test_what_was_loaded_stays_whatever_the_api_does(bench: Bench, register: Register) -> None:
    async def script(root: Any) -> None:
        async def rows() -> dict[Any, bool]:
            relation = await root.fetchval("select relation from agreement.product where name = 'people'")
            return {r["subject"]: r["adult"] for r in await root.fetch(f'select subject, adult from product."{relation}"')}

        everybody = {subject(f"P{n}"): n >= 18 for n in range(100)}
        assert await rows() == everybody
        register.second = Said("<html>", headers={"Content-Type": "text/html"})
        bench.exchange.put(served(register, 19))
        told = await bench.exchange.until("people", "AnswerRefused")
        assert "/people, page 2: the answer is HTML or XML instead of JSON" in told
        assert "The next load begins again, because the pages of an API are no snapshot." in told
        assert await rows() == everybody
        register.second = []
        bench.exchange.put(served(register, 18))
        assert "50 of 100 records would go" in await bench.exchange.until("people", "LossRefused")
        assert await rows() == everybody
        register.second = list(range(49, 100))
        bench.exchange.put(served(register, 17))
        assert "1 refused: spec.subject.column 1." in await bench.exchange.until("people", "RowsRefused")
        assert await root.fetchval("select reason from staging.quarantine") == "DoubleKey"
        assert await rows() == everybody

    bench.run(served(register, 20), script)
