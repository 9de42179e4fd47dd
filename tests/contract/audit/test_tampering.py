"""Tampering with one row makes verification fail and name it, whoever does it; what is left alone holds."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from commonweal_runtime.audit.merkle import ENTRY_BYTES
from commonweal_runtime.audit.verify import verify
from commonweal_runtime.seal_key import KeyRing, SealKey
from contract.audit.conftest import Run
from support.audit import CONTRACT, KEYS, SEAL_KEY, Ledger, texts
from support.postgres import StoreServer

A, B = uuid4(), uuid4()


@pytest.fixture(scope="module")
def store() -> Iterator[StoreServer]:
    """One server; every test begins with an empty ledger."""
    with StoreServer() as server:
        yield server


async def filled(ledger: Ledger) -> dict[str, int]:
    """Empty the ledger, write three windows, and return the numbers of some rows."""
    await ledger.tamper("truncate audit.use, audit.seal, consent.event, consent.state cascade")
    rows = {"first": await ledger.use(A), "page": await ledger.use(A, B)}
    await ledger.seal()
    rows |= {"given": await ledger.say(A, "Given"), "other": await ledger.say(B, "Given"), "second": await ledger.use(B)}
    await ledger.seal()
    rows |= {"withdrawn": await ledger.say(A, "Withdrawn"), "third": await ledger.use(A)}
    await ledger.seal()
    assert (await ledger.check()).holds
    return rows


CHANGES = {
    "client": ("update audit.use set client = 'tax/other' where id = {second}", "use {second} (seal 2): It was changed"),
    "purpose": ("update audit.use set purpose = purpose || 'x' where id = {first}", "use {first} (seal 1): It was changed"),
    "time": ("update audit.use set at = at - interval '1 microsecond' where id = {third}", "use {third} (seal 3): It was changed"),
    "basis": ("update audit.use set basis = 'PublicTask' where id = {first}", "use {first} (seal 1): It was changed"),
    "subject": (f"update audit.use set subject = '{B}' where id = {{first}}", "use {first} (seal 1): It was changed"),
    "one of a page": (f"update audit.use set subjects = array['{A}'::uuid] where id = {{page}}", "use {page} (seal 1): It was changed"),
    "order of a page": (
        f"update audit.use set subjects = array['{B}', '{A}']::uuid[] where id = {{page}}",
        "use {page} (seal 1): It was changed",
    ),
    "deleted": ("delete from audit.use where id = {second}", "use {second} (seal 2): It was sealed and is gone"),
    "deleted page": ("delete from audit.use where id = {page}", "use {page} (seal 1): It was sealed and is gone"),
    "contract of a row": ("update audit.use set contract = 'other' where id = {third}", "use {third} (seal 3): It was changed"),
    "moved": (
        "update audit.use set tx = (select tx from audit.use where id = {first}) where id = {third}",
        "use {third} (seal 1): It was put in",
    ),
    "event": ("update consent.event set valid_until = now() where seq = {given}", "event {given} (seal 2): It was changed"),
    "event's end": ("update consent.event set kind = 'Renewed' where seq = {withdrawn}", "event {withdrawn} (seal 3): It was changed"),
    "event gone": ("delete from consent.event where seq = {withdrawn}", "event {withdrawn} (seal 3): It was sealed and is gone"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_row_is_named_with_its_window(run: Run, what: str) -> None:
    async def script(ledger: Ledger) -> None:
        rows = await filled(ledger)
        change, told = (text.format(**rows) for text in CHANGES[what])
        await ledger.tamper(change)
        outcome = await ledger.check()
        assert not outcome.holds
        assert any(text.startswith(told) for text in texts(outcome)), list(texts(outcome))

    run(script)


def test_only_the_changed_row_is_named(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        rows = await filled(ledger)
        await ledger.tamper(f"update audit.use set client = client || 'x' where id = {rows['second']}")
        assert [f.what for f in (await ledger.check()).findings] == [f"use {rows['second']}"]
        await ledger.tamper(f"update audit.use set client = left(client, -1) where id = {rows['second']}")
        assert (await ledger.check()).holds

    run(script)


def test_a_row_put_into_a_sealed_window_is_named(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        rows = await filled(ledger)
        await ledger.tamper(
            "insert into audit.use (tx, at, agreement, client, purpose, op, contract, subject, found) select tx, at, agreement, 'tax/forged', purpose, op,"
            f" contract, subject, found from audit.use where id = {rows['second']}"
        )
        forged = await ledger.root.fetchval("select max(id) from audit.use")
        assert [str(f).split(":")[0] for f in (await ledger.check()).findings] == [f"use {forged} (seal 2)"]

    run(script)


def test_changed_terms_are_named_with_a_row_that_rests_on_them(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        rows = await filled(ledger)
        changed = "update agreement.contract set content = jsonb_set(content, '{{purposes,0,text}}', '{}') where hash = '{}'"
        before = await ledger.root.fetchval("select content #>> '{purposes,0,text}' from agreement.contract where hash = $1", CONTRACT)
        await ledger.tamper(changed.format('"Another sentence."', CONTRACT))
        (finding,) = (await ledger.check()).findings
        assert finding.what == f"contract {CONTRACT}"
        assert f"use {rows['first']} rests on them" in finding.text
        await ledger.tamper(changed.format(json.dumps(before), CONTRACT))
        assert (await ledger.check()).holds

    run(script)


def test_removed_terms_are_missed(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        rows = await filled(ledger)
        await ledger.tamper(
            f"create table kept as select * from agreement.contract; delete from agreement.contract where hash = '{CONTRACT}'"
        )
        outcome = await ledger.check()
        await ledger.tamper("insert into agreement.contract select * from kept; drop table kept")
        assert [(f.what, f.seal) for f in outcome.findings] == [(f"use {rows['first']}", 1)]
        assert (await ledger.check()).holds

    run(script)


SEALS = {
    "a seal left out": ("delete from audit.seal where n = 2", ["seal 3", "use {second}", "event {given}"]),
    "an entry changed with its row": (
        "update audit.use set client = 'x' where id = {first};"  # noqa: ISC004 - one script of two statements
        " update audit.seal set entries = (select audit.entry(u) from audit.use u where id = {first}) || substr(entries, 42) where n = 1",
        ["seal 1"],
    ),
    "an entry taken out with its row": (
        "delete from audit.use where id = {first}; update audit.seal set entries = substr(entries, 42) where n = 1",
        ["seal 1"],
    ),
    "another signature": ("update audit.seal set jws = (select jws from audit.seal where n = 3) where n = 2", ["seal 2"]),
    "a snapshot that hides": (
        "insert into audit.use (tx, agreement, client, purpose, op, contract, subject, found) select tx, 1, 'x', 'p', op, contract, subject, 1 from audit.use"  # noqa: ISC004 - as above
        " where id = {third}; update audit.seal set snapshot = (select snapshot from audit.seal where n = 2) where n = 3",
        ["seal 3"],
    ),
}


@pytest.mark.parametrize("what", SEALS)
def test_changed_seals_are_named(run: Run, what: str) -> None:
    async def script(ledger: Ledger) -> None:
        rows = await filled(ledger)
        statement, named = SEALS[what]
        await ledger.tamper(*statement.format(**rows).split(";"))
        found = {f.what for f in (await ledger.check()).findings}
        assert found >= {name.format(**rows) for name in named}, found

    run(script)


def test_a_chain_made_anew_with_another_key_is_refused(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        await filled(ledger)
        stranger = KeyRing([SealKey.of(b"x" * 32).jwk])
        outcome = verify(await ledger.lines(), stranger)
        assert {f.what for f in outcome.findings} >= {"seal 1", "seal 2", "seal 3"}
        assert "No key with the id" in outcome.findings[0].text

    run(script)


def test_seals_cut_off_at_the_end_are_missed_by_who_has_seen_one(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        await filled(ledger)
        seen = (await ledger.check()).newest
        assert (await ledger.check(anchor=seen)).holds
        await ledger.tamper("delete from audit.seal where n = 3")
        assert (await ledger.check()).holds  # what the chain alone cannot tell, and why the newest seal is kept elsewhere
        assert [f.what for f in (await ledger.check(anchor=seen)).findings] == ["anchor"]

    run(script)


def test_an_export_in_small_parts_is_the_same(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        await filled(ledger)
        whole = await ledger.lines()
        for most in (1, 2, 3, 5):
            parts = [line for line in await ledger.lines(most=most) if json.loads(line)["kind"] != "more"]
            assert parts == whole
            assert (await ledger.check(most=most)).holds

    run(script)


def test_an_export_that_was_cut_off_does_not_hold(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        await filled(ledger)
        assert not verify((await ledger.lines())[:-1], KEYS).holds
        assert not verify([*await ledger.lines(), "not JSON"], KEYS).holds

    run(script)


def test_an_export_holds_nobodys_id(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        await filled(ledger)
        await ledger.say(B, "Withdrawn", by=f"Attorney:{A}")
        await ledger.seal()
        text = "\n".join(await ledger.lines())
        entries = b"".join(base64.b64decode(json.loads(line)["entries"]) for line in text.splitlines() if '"entries"' in line)
        assert len(entries) % ENTRY_BYTES == 0
        for who in (A, B):
            assert str(who) not in text
            assert UUID(str(who)).hex not in text
        assert (await ledger.check()).holds

    run(script)


def test_only_registrars_may_have_an_export(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        await filled(ledger)
        with pytest.raises(Exception, match="registrar") as refused:
            await ledger.lines(client="tax/auditor")
        assert getattr(refused.value, "sqlstate", None) == "CW403"

    run(script)


def test_an_event_of_another_history_is_named(run: Run) -> None:
    """With the triggers off, an event can follow one that has been followed already, and be sealed: the chain tells."""

    async def script(ledger: Ledger) -> None:
        rows = await filled(ledger)
        await ledger.tamper(
            "insert into consent.event select nextval('consent.event_seq'), pg_current_xact_id(), now(), subject, agreement, 'Renewed', contract, indicated_by,"
            f" valid_until, prev, hash from consent.event where seq = {rows['withdrawn']}"
        )
        await ledger.seal()
        (finding,) = (await ledger.check()).findings
        assert f"follows the same event as event {rows['withdrawn']}" in finding.text

    run(script)


def test_the_seal_key_is_the_departments_own() -> None:
    assert SEAL_KEY.jwk["kid"] == SealKey.of(b"d" * 32).kid
    assert SEAL_KEY.kid != SealKey.of(b"e" * 32).kid
