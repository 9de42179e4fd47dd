"""A record that is read by reference is the record that is read by id, to the last digit, without the id."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from commonweal_runtime.data_api.linkage_routes import Linkage
from commonweal_runtime.exceptions import ProblemError

SUBJECT = UUID(int=7)
READ: Any = SimpleNamespace(agreement=SimpleNamespace(number=1))


class Service:
    """Stands for the data API: the store knows one reference, and one record in some spacing."""

    def __init__(self, record: str) -> None:
        self.pools, self._record = self, record

    async def call(self, *_: Any) -> str:
        return str(SUBJECT)

    async def point(self, _: Any, subject: str) -> bytes:
        assert subject == str(SUBJECT)
        return self._record.encode()


@pytest.mark.parametrize("spacing", ['{"subject" : "%s", ', '{"subject":"%s",', '{ "subject": "%s" ,\n'])
def test_however_the_store_spaces_its_json_numbers_keep_their_digits(spacing: str) -> None:
    rest = '"record" : {"income": 12.50, "total": 123456789012345678901234567890.10, "name": "é\\u0001"}}'
    service: Any = Service(spacing % SUBJECT + rest)
    found = asyncio.run(Linkage(service).read(READ, 'case "1"')).decode()
    assert found.startswith('{"reference":"case \\"1\\"","record":')
    assert '{"income": 12.50, "total": 123456789012345678901234567890.10, "name": "é\\u0001"}}' in found
    assert str(SUBJECT) not in found


@pytest.mark.parametrize("reference", ["", "a" * 201, "a\nb", "\u0000"])
def test_what_cannot_be_a_reference_is_refused(reference: str) -> None:
    service: Any = Service("{}")
    with pytest.raises(ProblemError, match="The reference is not understood"):
        asyncio.run(Linkage(service).read(READ, reference))
