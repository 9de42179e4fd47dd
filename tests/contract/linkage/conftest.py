"""A department whose products can be read by references of the consumer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from support.data_api import (
    GRANTS,
    PEOPLE,
    READER,
    DataApi,
    Exchange,
    Issuer,
    KeeperProcess,
    agreement,
    person_product,
    plan,
    visit_product,
)
from support.linkage import PEOPLE_WITH_NUMBERS, Consumer, Provider
from support.postgres import HeritageServer, StoreServer


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """The running department: `tax` may link and reads by consent, `benefits` may link and reads by public task, `seldom` as `tax` and each person once a day, `other` may not link."""
    linkage = {"on": "number", "normalise": "Upper"}
    with HeritageServer() as heritage, Issuer() as issuer, StoreServer() as store:
        asyncio.run(heritage.make("heritage", PEOPLE + PEOPLE_WITH_NUMBERS + READER + ";" + GRANTS))
        people = person_product(heritage, serve={"refreshSeconds": 5})
        people["fields"] = [
            *people["fields"],
            {"name": "number", "column": "number", "type": "String", "classification": "OfficialSensitive"},
        ]
        agreements = {
            "yes": agreement("Consent", linkage=linkage),
            "task": agreement("PublicTask", consumer="benefits", linkage=linkage),
            "seldom": agreement(
                "Consent", consumer="seldom", linkage=linkage, limits={"maxRows": 100, "perSubject": {"max": 1, "seconds": 86400}}
            ),
            "plain": agreement("PublicTask", consumer="other"),
        }
        wanted = plan({"people": people, "visits": visit_product(heritage)}, agreements)
        exchange = Exchange(store.directory / "exchange")
        exchange.put(wanted)
        with KeeperProcess(store, exchange.directory):
            asyncio.run(exchange.settled(wanted))
            with DataApi(store, issuer) as api, Consumer(api.url, issuer) as consumer:
                yield Provider(store, exchange, wanted, consumer)
