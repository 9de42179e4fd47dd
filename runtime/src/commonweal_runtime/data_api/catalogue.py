"""What is in force, as the data API knows it. It can be a moment old; the store refuses what is no longer so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from commonweal_runtime.data_api import problems
from commonweal_runtime.tokens import Client


@dataclass(frozen=True, slots=True)
class Agreement:
    """One agreement in force."""

    number: int
    name: str
    product: str
    department: str
    clients: frozenset[str]
    purposes: tuple[str, ...]
    fields: tuple[str, ...]
    most: int
    begins: datetime
    ends: datetime
    durability: str = "Durable"
    counted: bool = False
    version: str = ""

    @property
    def strict(self) -> bool:
        """Whether a read is on record before its answer is looked up."""
        return self.durability == "Strict"

    def admits(self, client: Client) -> bool:
        """Return whether this client may use the agreement."""
        return client.department == self.department and client.client in self.clients


@dataclass(frozen=True, slots=True)
class Product:
    """One product, for the OpenAPI document."""

    name: str
    contract: str
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Products and agreements by name. An agreement on an earlier version is found under `name@major` and, like all others, under `name`."""

    department: Mapping[str, Any]
    products: tuple[Product, ...]
    agreements: Mapping[str, tuple[Agreement, ...]]
    numbers: Mapping[int, Agreement] = field(default_factory=dict)

    def choose(self, product: str, client: Client, purpose: str | None, fields: list[str] | None, now: datetime) -> Agreement:
        """Return the agreement under which to read; a ProblemError says why there is none.

        An unknown product and one that is not agreed with this client are the same refusal. Of several that fit, the one with the lowest
        number is taken.
        """
        mine = [a for a in self.agreements.get(product, ()) if a.admits(client)]
        if not mine:
            raise problems.no_agreement(str(client))
        if not purpose:
            raise problems.purpose_missing()
        fitting = [a for a in mine if purpose in a.purposes]
        if not fitting:
            raise problems.purpose_not_agreed(sorted({p for a in mine for p in a.purposes}))
        holding = [a for a in fitting if a.begins <= now < a.ends]
        if not holding:
            first = fitting[0]
            raise problems.agreement_expired(first.name) if now >= first.ends else problems.agreement_not_begun(first.name)
        if fields is None:
            return holding[0]
        for agreement in holding:
            if set(fields) <= set(agreement.fields):
                return agreement
        agreed = holding[0].fields
        raise problems.field_not_agreed([f for f in fields if f not in agreed], list(agreed))


def parse(text: str) -> Catalogue:
    """Return the catalogue that the store's `agreement.catalogue()` describes."""
    document = orjson.loads(text)
    products = tuple(Product(p["name"], p["contract"], p["spec"]) for p in document["products"])
    specs = {p.name: p.spec for p in products}
    agreements = [_agreement(a, specs[a["product"]]) for a in document["agreements"]]
    by_product: dict[str, list[Agreement]] = {}
    for agreement in sorted(agreements, key=lambda a: a.number):
        for name in _names(agreement):
            by_product.setdefault(name, []).append(agreement)
    return Catalogue(
        department=document["department"] or {},
        products=products,
        agreements={name: tuple(found) for name, found in by_product.items()},
        numbers={a.number: a for a in agreements},
    )


def _names(agreement: Agreement) -> set[str]:
    """Return the names under which an agreement's product can be asked for."""
    base = agreement.product.partition("@")[0]
    return {base, f"{base}@{agreement.version.partition('.')[0]}"}


def _agreement(entry: Mapping[str, Any], product: Mapping[str, Any]) -> Agreement:
    spec = entry["spec"]
    limits = spec.get("limits", {})
    return Agreement(
        number=entry["number"],
        name=entry["name"],
        product=entry["product"],
        department=spec["consumer"]["department"],
        clients=frozenset(spec["consumer"]["clients"]),
        purposes=tuple(p["key"] for p in spec["purposes"]),
        fields=tuple(spec["fields"]),
        most=limits.get("maxRows", 100),
        begins=datetime.fromisoformat(spec["validity"]["from"]),
        ends=datetime.fromisoformat(spec["validity"]["until"]),
        durability=product.get("serve", {}).get("auditDurability", "Durable"),
        counted=bool(limits.get("requests") or limits.get("perSubject") or limits.get("once")),
        version=product["version"],
    )
