"""The commands that check, against what a real store gives out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest

from commonweal_cli.main import main
from commonweal_runtime.audit.service import AuditService
from contract.audit.conftest import Run
from support.audit import SEAL_KEY, Ledger, RootLanes
from support.data_api import DATABASE_KEY
from support.postgres import StoreServer


class Kept:
    """Files of one person and one auditor, and the numbers of what they are about."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.me, self.use = directory, uuid4(), 0
        self.jwks = self.file("jwks.json", json.dumps({"keys": [SEAL_KEY.jwk]}))

    def file(self, name: str, text: str) -> str:
        """Write a file and return its path."""
        (self.directory / name).write_text(text)
        return str(self.directory / name)


@pytest.fixture(scope="module")
def store() -> Iterator[StoreServer]:
    """A store of this module's own."""
    with StoreServer() as server:
        yield server


@pytest.fixture
def kept(run: Run, tmp_path: Path) -> Kept:
    """Write a use and three events, seal them, and fetch what a person and an auditor can."""
    files = Kept(tmp_path)

    async def script(ledger: Ledger) -> None:
        await ledger.tamper("truncate audit.use, audit.seal, consent.event, consent.state cascade")
        files.use = await ledger.use(files.me)
        for kind in ("Given", "Renewed", "Withdrawn"):
            await ledger.say(files.me, kind)
        await ledger.seal()
        audit = AuditService(RootLanes(ledger.root), DATABASE_KEY)
        files.file("receipts.json", (await audit.receipts(files.me, files.me, 2**62, 10)).decode())
        files.file("proof.json", (await audit.use_proof(files.me, files.me, files.use)).decode())
        files.file("export", "\n".join(await ledger.lines()))

    run(script)
    return files


def test_receipts_say_in_words_what_was_agreed(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["receipt", "verify", str(kept.directory / "receipts.json"), "--jwks", kept.jwks]) == 0
    told = capsys.readouterr().out
    assert told.count("the signature holds") == 3
    assert "Withdrawn at 20" in told
    assert "agreement  tax-reads" in told
    assert "fields     fullName, birthYear" in told
    assert "purpose    tax/serve: A sentence of some length that a person is shown." in told
    assert "the chain holds: each of 3 receipt(s)" in told


def test_one_changed_letter_of_a_receipt_does_not_hold(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    newest = json.loads((kept.directory / "receipts.json").read_text())["items"][0]["receipt"]
    head, body, signature = newest.split(".")
    changed = kept.file("one", f"{head}.{body[:40]}{'A' if body[40] != 'A' else 'B'}{body[41:]}.{signature}")
    assert main(["receipt", "verify", changed, "--jwks", kept.jwks]) == 1
    assert "does not hold" in capsys.readouterr().out
    assert main(["receipt", "verify", kept.file("one", newest), "--jwks", kept.jwks]) == 0


def test_a_seal_is_no_receipt(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    seal = json.loads((kept.directory / "proof.json").read_text())["seal"]
    assert main(["receipt", "verify", kept.file("one", seal), "--jwks", kept.jwks]) == 1
    assert "signed as «audit-seal+jws»" in capsys.readouterr().out


def test_a_proof_holds_for_the_person_it_is_about(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    proof = ["audit", "proof", str(kept.directory / "proof.json"), "--jwks", kept.jwks]
    assert main([*proof, "--subject", str(kept.me)]) == 0
    assert f"use {kept.use} lies under seal 1" in capsys.readouterr().out
    assert main([*proof, "--subject", str(UUID(int=5))]) == 1
    assert "NOT about" in capsys.readouterr().out


def test_an_export_is_checked_offline_and_the_changed_row_is_named(kept: Kept, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    check = ["audit", "verify", "--export", str(kept.directory / "export"), "--jwks", kept.jwks, "--anchor", str(kept.directory / "anchor")]
    assert main(check) == 0
    assert "1 seals, 1 uses, 3 events checked; 0 rows not sealed yet" in capsys.readouterr().out
    assert (kept.directory / "anchor").read_text().count(".") == 2

    async def script(ledger: Ledger) -> None:
        await ledger.tamper(f"update audit.use set purpose = 'tax/other' where id = {kept.use}")
        kept.file("export", "\n".join(await ledger.lines()))

    run(script)
    assert main(check) == 1
    told = capsys.readouterr().out
    assert f"use {kept.use} (seal 1): It was changed after it was sealed." in told
    assert "this audit does NOT hold" in told


def test_seals_made_anew_do_not_pass_the_anchor(kept: Kept, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever holds the database key can sign a new chain over changed rows; only a seal that was seen before tells."""
    check = ["audit", "verify", "--export", str(kept.directory / "export"), "--jwks", kept.jwks, "--anchor", str(kept.directory / "anchor")]
    assert main(check) == 0

    async def script(ledger: Ledger) -> None:
        await ledger.tamper("truncate audit.seal", f"update audit.use set purpose = 'tax/other' where id = {kept.use}")
        await ledger.seal()
        kept.file("export", "\n".join(await ledger.lines()))

    run(script)
    assert main(check) == 1
    assert "seals were cut off or made again" in capsys.readouterr().out
    assert main(check[:-2]) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["audit", "verify"], "Name a DEPARTMENT"),
        (["audit", "verify", "--export", "x"], "Add --jwks"),
        (["receipt", "verify", "/nowhere/x", "--jwks", "JWKS"], "/nowhere/x"),
        (["receipt", "verify", "JWKS", "--jwks", "/nowhere/keys"], "/nowhere/keys"),
        (["receipt", "verify", "JWKS", "--jwks", "EMPTY"], "holds no Ed25519 key"),
    ],
)
def test_what_cannot_be_checked_is_said_with_what_to_do(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Kept(tmp_path)
    places = {"JWKS": files.jwks, "EMPTY": files.file("empty", orjson.dumps({"keys": []}).decode())}
    assert main([places.get(word, word) for word in words]) == 1
    assert told in capsys.readouterr().err
