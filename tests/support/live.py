"""A Live product beside a Replica of the same source, and what the heritage database was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commonweal_api.plan import StorePlan
from support.data_api import agreement, person_product, plan
from support.postgres import HeritageServer

LIVE = {"refreshSeconds": 5, "mode": "Live"}
FIELDS = ("fullName", "birthYear", "score", "income", "active", "seen")


def live_product(heritage: HeritageServer, table: str = "person", **over: Any) -> dict[str, Any]:
    """Return the spec of a Live product of one record per person."""
    spec = person_product(heritage, **{"serve": LIVE, **over})
    return {**spec, "source": {"postgres": {**spec["source"]["postgres"], "table": table}}}


def both(heritage: HeritageServer, terms: Mapping[str, dict[str, Any]]) -> StorePlan:
    """Return a plan of one source served both ways, each under the same agreements: `live-<name>` and `copy-<name>`."""
    products = {"people": live_product(heritage), "copies": person_product(heritage)}
    ways = {"live": "people", "copy": "copies"}
    agreements = {
        f"{way}-{name}": agreement(**{"fields": FIELDS, **over, "product": product})
        for name, over in terms.items()
        for way, product in ways.items()
    }
    return plan(products, agreements)


def asked(heritage: HeritageServer, begun: int) -> str:
    """Return what the heritage database has written from a place of its log on."""
    return (heritage.directory / "log").read_bytes()[begun:].decode()


def place(heritage: HeritageServer) -> int:
    """Return the end of the heritage database's log."""
    return (heritage.directory / "log").stat().st_size
