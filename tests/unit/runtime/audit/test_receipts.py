"""Receipts as records after ISO/IEC TS 27560: every mandatory field says something, and each is the same whenever it is made."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from commonweal_runtime.audit.receipts import Receipt, broken_links, record, signed
from commonweal_runtime.exceptions import SignatureError
from commonweal_runtime.seal_key import KeyRing, SealKey

SEAL_KEY = SealKey.of(b"d" * 32)
KEYS = KeyRing([SEAL_KEY.jwk])
PERSON = "00000000-0000-8000-8000-000000000001"
TERMS: dict[str, Any] = {
    "name": "health-plans", "product": "people", "consumer": "health", "basis": "Consent", "legalPower": None, "fields": ["fullName"],
    "purposes": [{"key": "health/plan", "iri": "dpv:RequestedServiceProvision", "text": "We plan your care."}],
    "limits": {"maxRows": 1, "dataLifeDays": 30}, "validity": {"from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"},
    "department": {"name": "registry", "displayName": "The Registry", "contact": "mailto:registry@example.test"},
    "owner": {"steward": "mailto:s@example.test", "complaints": "https://example.test/complain"},
    "assurance": {"method": "API", "processors": ["Cloud Ltd"], "areas": ["GB-SCT"]},
}  # fmt: skip


def event(seq: int = 7, before: str | None = None, **over: Any) -> dict[str, Any]:
    """Return an event as the store gives it, with the hash that belongs to its bytes."""
    text = json.dumps([seq, 1795334362.5, PERSON, 1, "Given", "c0ffee", "subject", None])
    own = hashlib.sha256(bytes.fromhex(before or "") + text.encode()).hexdigest()
    return {
        "seq": seq, "at": "2026-11-22T08:00:00+00:00", "kind": "Given", "subject": PERSON, "indicatedBy": "subject", "until": "2027-11-22T08:00:00+00:00",
        "contract": "c0ffee", "agreement": 1, "text": text, "before": before, "hash": own, "terms": TERMS, **over,
    }  # fmt: skip


# The mandatory fields, by the standard's parts, and where each stands in the record.
MANDATORY = {
    "header: schema version": "dct:conformsTo",
    "header: record id": "dct:identifier",
    "header: PII principal id": "dpv:hasDataSubject.dct:identifier",
    "processing: privacy notice": "dpv:hasNotice.dct:identifier",
    "processing: language": "dpv:hasNotice.dct:language",
    "processing: purpose": "dpv:hasProcess.dpv:hasPurpose",
    "processing: PII information": "dpv:hasProcess.dpv:hasPersonalData",
    "processing: controllers": "dpv:hasDataController.dct:identifier",
    "processing: storage locations": "dpv:hasProcess.dpv:hasStorageCondition.dpv:hasLocation",
    "processing: retention period": "dpv:hasProcess.dpv:hasStorageCondition.dpv:hasDuration",
    "processing: jurisdiction": "dpv:hasProcess.dpv:hasJurisdiction",
    "processing: recipients": "dpv:hasProcess.dpv:hasRecipient.dct:identifier",
    "processing: withdrawal method": "dpv:hasNotice.cw:withdrawal",
    "processing: lawful basis": "dpv:hasLegalBasis",
    "party: name": "dpv:hasDataController.schema:name",
    "party: address": "dpv:hasDataController.schema:address",
    "party: contact": "dpv:hasDataController.schema:contactPoint",
    "party: type": "dpv:hasDataController.@type",
    "event: time": "dpv:hasConsentStatus.dpv:isIndicatedAtTime",
    "event: validity": "dpv:hasConsentStatus.dct:valid",
    "event: entity": "dpv:hasConsentStatus.dpv:isIndicatedBy.dct:identifier",
    "event: type": "dpv:hasConsentStatus.cw:kind",
    "event: state": "dpv:hasConsentStatus.@type",
}


@pytest.mark.parametrize("name", MANDATORY)
def test_every_mandatory_field_is_there(name: str) -> None:
    value: Any = record(event())["dpv:hasRecordOfActivity"]
    for key in MANDATORY[name].split("."):
        value = value[key]
    assert value


def test_a_receipt_has_a_version_and_an_id_of_its_own() -> None:
    body = record(event())
    assert body["dct:conformsTo"].endswith("#receipt")
    assert body["dct:identifier"].startswith("receipt-7-")


def test_without_a_data_life_the_agreements_end_bounds_what_is_kept() -> None:
    terms = {**TERMS, "limits": {"maxRows": 1}}
    process = record(event(terms=terms))["dpv:hasRecordOfActivity"]["dpv:hasProcess"]
    assert process["dpv:hasStorageCondition"]["dpv:hasDuration"] == "2027-01-01T00:00:00Z"


def test_a_delegates_act_names_the_delegate() -> None:
    by = record(event(indicatedBy="Attorney:00000000-0000-8000-8000-0000000000aa"))["dpv:hasRecordOfActivity"]["dpv:hasConsentStatus"][
        "dpv:isIndicatedBy"
    ]
    assert by == {"cw:role": "Attorney", "dct:identifier": "00000000-0000-8000-8000-0000000000aa"}


def test_the_same_event_gives_the_same_receipt() -> None:
    assert signed(event(), SEAL_KEY) == signed(json.loads(json.dumps(event())), SealKey.of(b"d" * 32))


def test_a_receipt_of_an_event_without_terms_says_what_it_can() -> None:
    receipt = Receipt.opened(KEYS, signed(event(terms=None, contract="-", kind="Expired", indicatedBy="sweep"), SEAL_KEY))
    assert receipt.words()[0].startswith("Expired at 2026-11-22T08:00:00+00:00 by sweep")


def test_a_receipt_whose_hash_is_not_its_events_is_refused() -> None:
    with pytest.raises(SignatureError, match="hash is not that"):
        Receipt.opened(KEYS, signed(event(hash="0" * 64), SEAL_KEY))
    with pytest.raises(SignatureError, match="hash is not that"):
        Receipt.opened(KEYS, signed({**event(), "seq": 8}, SEAL_KEY))


def test_two_histories_do_not_make_one_chain() -> None:
    first = event(1)
    second, other = event(2, first["hash"]), event(3, first["hash"])
    third = event(4, second["hash"])
    opened = {e["seq"]: Receipt.opened(KEYS, signed(e, SEAL_KEY)) for e in (first, second, other, third)}
    assert broken_links([opened[1], opened[2], opened[4]]) == []
    assert broken_links([opened[4], opened[1]]) == []  # a gap is no fault
    assert broken_links([opened[2], opened[1], opened[3]]) == [
        "receipts 2 and 3 both follow the same event: one of them is of another history"
    ]
