"""An audit that was kept: an export, a proof, receipts and the key set of a store made at ef5ba18, when the seal key was called a witness.

What was signed then must hold for ever: an auditor's files are checked by whatever release there is when they are looked at.
"""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest

from commonweal_runtime.audit.proofs import check
from commonweal_runtime.audit.receipts import Receipt, broken_links
from commonweal_runtime.audit.verify import verify
from commonweal_runtime.seal_key import KeyRing, SealKey

KEPT = Path(__file__).parent / "audit"
DATABASE_KEY = b"d" * 32
PERSON = UUID(int=0x0123456789AB8DEF8123456789ABCDEF)
JWKS = json.loads((KEPT / "jwks.json").read_text())["keys"]
LINES = (KEPT / "export.jsonl").read_text().splitlines()
SEALS = [line["jws"] for line in map(json.loads, LINES) if line["kind"] == "seal"]


@pytest.fixture(params=["the key set that was kept", "the key set of today"])
def keys(request: pytest.FixtureRequest) -> KeyRing:
    assert [key["purpose"] for key in JWKS] == ["Witness"]
    return KeyRing(JWKS if "kept" in request.param else [SealKey.of(DATABASE_KEY).jwk])


def test_the_export_holds(keys: KeyRing) -> None:
    assert len(SEALS) == 2
    for anchor in (None, *SEALS):
        outcome = verify(LINES, keys, anchor)
        assert (outcome.holds, outcome.seals, outcome.uses, outcome.events, outcome.newest) == (True, 2, 3, 4, SEALS[-1])


def test_a_changed_row_of_it_is_still_found(keys: KeyRing) -> None:
    changed = [line.replace('\\"op\\":\\"point\\"', '\\"op\\":\\"page\\"') for line in LINES]
    assert changed != LINES
    assert [finding.what for finding in verify(changed, keys).findings] == ["use 1", "use 3"]


def test_the_receipts_and_the_proof_hold(keys: KeyRing) -> None:
    receipts = [Receipt.opened(keys, item["receipt"]) for item in json.loads((KEPT / "receipts.json").read_text())["items"]]
    assert len(receipts) == 3
    assert broken_links(receipts) == []
    assert check(json.loads((KEPT / "proof.json").read_text()), keys).concerns(PERSON)


def test_the_store_goes_on_with_its_own_chain() -> None:
    """The key of a running store is the one that made its seals: it is derived as it always was."""
    assert SealKey.of(DATABASE_KEY).kid == JWKS[0]["kid"]
