"""Receipts: what a person said, as a record after ISO/IEC TS 27560 in the Data Privacy Vocabulary (JSON-LD), signed by the department.

A receipt is made from the event and the terms that its contract hash names, both of which never change, and Ed25519 is deterministic: so it is stored
nowhere and is the same text whenever it is made. It holds the event's bytes and the hash before it, so that the person's chain can be checked from
receipts alone. Where the model has no value of its own for a mandatory field of the standard, the comment beside the field says what is used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from commonweal_runtime.exceptions import SignatureError
from commonweal_runtime.seal_key import RECEIPT, KeyRing, SealKey

PROFILE = "https://w3id.org/dpv/schema/dpv-27560#"
# Written out, so that reading a receipt needs no network.
CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "dct": "http://purl.org/dc/terms/",
    "schema": "https://schema.org/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "cw": "https://commonweal.dev/terms#",
}
_STATUS = {
    "Given": "dpv:ConsentGiven",
    "Renewed": "dpv:RenewedConsentGiven",
    "Refused": "dpv:ConsentRefused",
    "Withdrawn": "dpv:ConsentWithdrawn",
    "Revoked": "dpv:ConsentRevoked",
    "Expired": "dpv:ConsentExpired",
    "Invalidated": "dpv:ConsentInvalidated",
    "Requested": "dpv:ConsentRequested",
    "RequestDeferred": "dpv:ConsentRequestDeferred",
    "Unknown": "dpv:ConsentUnknown",
    # objecting is no act on consent; DPV has no status for it
    "Objected": "cw:Objected",
    "ObjectionLifted": "cw:ObjectionLifted",
}
_BASES = {
    "Consent": "dpv:Consent",
    "PublicTask": "dpv:PublicInterest",
    "LegalObligation": "dpv:LegalObligation",
    "VitalInterests": "dpv:VitalInterest",
    "Contract": "dpv:Contract",
    "RecognisedLegitimateInterest": "dpv:LegitimateInterest",
}
WITHDRAWAL = 'PUT /me/consents/{agreement} with {"state": "Withdrawn"}; PUT /me/objections/{agreement} with {"state": "Objected"}'


def record(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the receipt's body for an event as `person.receipted` of the store gives it."""
    terms = event["terms"] or {}
    department = terms.get("department") or {}
    controller = {
        "@type": "dpv:DataController",
        "dct:identifier": department.get("name"),
        "schema:name": department.get("displayName"),
        "schema:contactPoint": department.get("contact"),
        "schema:address": department.get("contact"),  # a department's manifest has no postal address; the contact stands for it
    }
    told: dict[str, Any] = _told(
        {
            "@context": CONTEXT,
            "@type": "dpv:ConsentReceipt",
            "dct:conformsTo": PROFILE + "receipt",
            "dct:identifier": f"receipt-{event['seq']}-{event['hash'][:16]}",
            "dct:publisher": department.get("name"),
            "schema:recipient": "dpv:DataSubject",
            "dpv:hasRecordOfActivity": {
                "@type": "dpv:ConsentRecord",
                "dct:conformsTo": PROFILE + "record",
                "dct:identifier": str(event["seq"]),
                "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": event["subject"]},
                "dpv:hasDataController": controller,
                "dpv:hasLegalBasis": _BASES.get(terms.get("basis", ""), "cw:Unknown"),
                "cw:legalPower": terms.get("legalPower"),
                "dpv:hasProcess": _process(terms),
                "dpv:hasNotice": _notice(event, terms),
                "dpv:hasConsentStatus": _event(event),
            },
            "cw:chain": {"text": event["text"], "before": event["before"], "hash": event["hash"]},
        }
    )
    return told


def _process(terms: Mapping[str, Any]) -> dict[str, Any]:
    limits, assurance = terms.get("limits") or {}, terms.get("assurance") or {}
    life = limits.get("dataLifeDays")
    return {
        "@type": "dpv:Process",
        "cw:agreement": terms.get("name"),
        "cw:product": terms.get("product"),
        "dpv:hasPurpose": [
            {"@type": p.get("iri"), "dct:identifier": p.get("key"), "dct:description": _in_languages(p)} for p in terms.get("purposes", [])
        ],
        "dpv:hasPersonalData": [{"@type": "dpv:PersonalData", "dct:title": field} for field in terms.get("fields", [])],
        "dpv:hasRecipient": {"@type": "dpv:PublicAuthority", "dct:identifier": terms.get("consumer")},
        "dpv:hasDataProcessor": assurance.get("processors") or None,
        "dpv:hasStorageCondition": {
            "dpv:hasLocation": "the consumer's own systems",  # an agreement says who holds the data, not on which machines
            # without a data life in the agreement, its end bounds what may be kept
            "dpv:hasDuration": f"P{life}D" if life else (terms.get("validity") or {}).get("until"),
        },
        "dpv:hasProcessingContext": assurance.get("method") or "read one person at a time or in pages, over HTTP",
        "dpv:hasJurisdiction": assurance.get("areas") or ["GB"],  # the law that the rights are written for
    }


def _in_languages(purpose: Mapping[str, Any]) -> Any:
    """Return the purpose's sentence; where there is Welsh, both, each with its language (JSON-LD 1.1, section 4.2.4)."""
    text, welsh = purpose.get("text"), (purpose.get("cy") or {}).get("text")
    return text if welsh is None else [{"@value": text, "@language": "en"}, {"@value": welsh, "@language": "cy"}]


def _english(text: Any) -> Any:
    return text[0]["@value"] if isinstance(text, list) else text


def _notice(event: Mapping[str, Any], terms: Mapping[str, Any]) -> dict[str, Any]:
    """Return the notice: what the person was shown is the agreement's terms, named by their hash."""
    return {
        "@type": "dpv:ConsentNotice" if terms.get("basis") == "Consent" else "dpv:PrivacyNotice",
        "dct:identifier": event["contract"],
        "dct:language": ["en", "cy"] if terms.get("purposes") and all(p.get("cy") for p in terms["purposes"]) else "en",
        "cw:withdrawal": WITHDRAWAL.replace("{agreement}", str(terms.get("name") or "…")),
        "cw:complaints": (terms.get("owner") or {}).get("complaints"),
    }


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    kind = event["kind"]
    by = str(event["indicatedBy"])
    type_, _, who = by.partition(":")
    return {
        "@type": _STATUS.get(kind, "cw:" + kind),
        "cw:kind": kind,
        "dpv:isIndicatedAtTime": event["at"],
        "dpv:isIndicatedBy": {"cw:role": type_, "dct:identifier": who or (event["subject"] if by == "subject" else by)},
        "dct:valid": event["until"],
    }


def _told(value: Any) -> Any:
    """Return a value without what is not known: a field that says nothing must not look like one that says something."""
    if isinstance(value, dict):
        return {k: _told(v) for k, v in value.items() if v is not None}
    return [_told(v) for v in value] if isinstance(value, list) else value


def signed(event: Mapping[str, Any], seal_key: SealKey) -> str:
    """Return the receipt for an event, as a compact JWS."""
    return seal_key.sign(RECEIPT, record(event))


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt whose signature and whose own link of the chain hold."""

    body: Mapping[str, Any]

    @staticmethod
    def opened(keys: KeyRing, jws: str) -> Receipt:
        """Return a receipt; SignatureError when the signature does not hold, or its hash is not that of its event."""
        body = keys.open(RECEIPT, jws)
        try:
            chain = body["cw:chain"]
            held = hashlib.sha256(bytes.fromhex(chain.get("before", "")) + chain["text"].encode()).hexdigest() == chain["hash"]
            written = json.loads(chain["text"])
            told = str(written[0]) == body["dpv:hasRecordOfActivity"]["dct:identifier"]
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise SignatureError("The signed text is no receipt of this release.") from None
        if not (held and told):
            raise SignatureError("The receipt's hash is not that of the event it tells of.")
        return Receipt(body)

    @property
    def seq(self) -> int:
        """The event's number."""
        return int(self.body["dpv:hasRecordOfActivity"]["dct:identifier"])

    @property
    def person(self) -> str:
        """The id under which it was said."""
        return str(self.body["dpv:hasRecordOfActivity"]["dpv:hasDataSubject"]["dct:identifier"])

    @property
    def hash(self) -> str:
        """The event's place in the person's chain."""
        return str(self.body["cw:chain"]["hash"])

    @property
    def before(self) -> str:
        """The place of the person's event before it; empty for the first."""
        return str(self.body["cw:chain"].get("before", ""))

    def words(self) -> list[str]:
        """Return in words what was said."""
        held = self.body["dpv:hasRecordOfActivity"]
        process, status, notice = held["dpv:hasProcess"], held["dpv:hasConsentStatus"], held["dpv:hasNotice"]
        controller = held["dpv:hasDataController"]
        by = status["dpv:isIndicatedBy"]["cw:role"]
        until = f", until {status['dct:valid']}" if "dct:valid" in status else ""
        return [
            f"{status['cw:kind']} at {status['dpv:isIndicatedAtTime']} by {'the person' if by == 'subject' else by}{until}",
            f"person     {held['dpv:hasDataSubject']['dct:identifier']}",
            f"department {controller.get('schema:name', controller.get('dct:identifier', 'not told'))}",
            f"agreement  {process.get('cw:agreement', 'not told')} (terms {notice['dct:identifier']}), basis {held['dpv:hasLegalBasis'].partition(':')[2]}",
            f"receiver   {process['dpv:hasRecipient'].get('dct:identifier', 'not told')}",
            f"fields     {', '.join(f['dct:title'] for f in process['dpv:hasPersonalData']) or 'not told'}",
            *(f"purpose    {p['dct:identifier']}: {_english(p['dct:description'])}" for p in process["dpv:hasPurpose"]),
            f"to end it  {notice['cw:withdrawal']}",
        ]


def broken_links(receipts: Iterable[Receipt]) -> list[str]:
    """Return where a row of receipts of one person is no chain: two that follow the same event, or one that tells another story of it.

    Each id that the person has had begins a chain of its own. A receipt that is not among them leaves a gap, which is no fault.
    """
    found: list[str] = []
    followed: dict[tuple[str, str], Receipt] = {}
    for receipt in sorted(receipts, key=lambda r: r.seq):
        other = followed.setdefault((receipt.person, receipt.before), receipt)
        if other.hash != receipt.hash:
            found.append(f"receipts {other.seq} and {receipt.seq} both follow the same event: one of them is of another history")
    return found
