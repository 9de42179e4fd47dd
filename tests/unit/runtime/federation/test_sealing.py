"""How two sites of a department know each other, and what does not pass for one of them."""

from __future__ import annotations

import dataclasses

import jwt
import pytest

from commonweal_runtime.exceptions import UnsealError
from commonweal_runtime.federation.sealing import LEEWAY_SECONDS, TOKEN_SECONDS, FeedKey, Question

SECTOR, NOW = b"s" * 32, 1_800_000_000.0
ASKED = Question(asker="east", asked="west", epoch="e", after=7, seen="2026-01-01T00:00:00+00:00")


def key(sector: bytes = SECTOR, department: str = "registry", at: float = NOW) -> FeedKey:
    return FeedKey(sector, department, lambda: at)


def test_a_question_arrives_as_it_was_asked() -> None:
    assert key().question(key().token(ASKED)) == ASKED


@pytest.mark.parametrize(
    "other", [key(sector=b"t" * 32), key(department="tax")], ids=["another department's key", "another department's name"]
)
def test_another_department_is_refused(other: FeedKey) -> None:
    with pytest.raises(UnsealError):
        other.question(key().token(ASKED))
    with pytest.raises(UnsealError):
        other.unseal(ASKED, key().seal(ASKED, b"page"))


@pytest.mark.parametrize("late", [TOKEN_SECONDS + LEEWAY_SECONDS + 1, -TOKEN_SECONDS - LEEWAY_SECONDS])
def test_a_token_out_of_its_time_is_refused(late: float) -> None:
    token = key().token(ASKED)
    assert key(at=NOW + TOKEN_SECONDS).question(token) == ASKED
    with pytest.raises(UnsealError, match="clocks"):
        key(at=NOW + late).question(token)


@pytest.mark.parametrize("token", ["", "a.b.c", "x" * 5000, jwt.encode({"sub": "west"}, "k" * 32, algorithm="HS256")])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(UnsealError):
        key().question(token)


def test_an_unsigned_token_is_refused() -> None:
    claims = jwt.decode(key().token(ASKED), options={"verify_signature": False})
    with pytest.raises(UnsealError):
        key().question(jwt.encode(claims, None, algorithm="none"))


@pytest.mark.parametrize(
    "changed", [{"after": 8}, {"asker": "north"}, {"asked": "north"}, {"epoch": "f"}, {"seen": ""}, {"nonce": "0" * 32}], ids=str
)
def test_an_answer_opens_for_its_own_question_only(changed: dict[str, object]) -> None:
    """So an answer recorded earlier, or made for another site, cannot stand for this one: it would hide what was said since."""
    sealed = key().seal(ASKED, b"page")
    assert key().unseal(ASKED, sealed) == b"page"
    with pytest.raises(UnsealError):
        key().unseal(dataclasses.replace(ASKED, **changed), sealed)  # type: ignore[arg-type]


@pytest.mark.parametrize("at", [0, 33, 50, -1])
def test_a_changed_bit_is_noticed(at: int) -> None:
    sealed = bytearray(key().seal(ASKED, b"a page of some length"))
    sealed[at] ^= 1
    with pytest.raises(UnsealError):
        key().unseal(ASKED, bytes(sealed))


@pytest.mark.parametrize("answer", [b"", b"x" * 43, b"x" * 44, b"x" * 60])
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(UnsealError):
        key().unseal(ASKED, answer)


def test_the_page_cannot_be_read_without_the_key_and_is_never_sealed_alike() -> None:
    one, other = key().seal(ASKED, b"somebody withdrew"), key().seal(ASKED, b"somebody withdrew")
    assert b"somebody" not in one
    assert one[44:] != other[44:]


def test_every_question_has_a_nonce_of_its_own() -> None:
    assert len({Question("a", "b", "", 0, "").nonce for _ in range(100)}) == 100
