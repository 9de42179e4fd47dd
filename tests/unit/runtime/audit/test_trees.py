"""Merkle trees, snapshots and the seal key: properties, with an implementation of RFC 6962's own words as oracle."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal_runtime.audit.merkle import EVENT, USE, Entry, Tree, climb, entries_of, root_of
from commonweal_runtime.audit.snapshots import Snapshot
from commonweal_runtime.exceptions import SignatureError
from commonweal_runtime.seal_key import RECEIPT, SEAL, KeyRing, SealKey

SEAL_KEY = SealKey.of(b"d" * 32)


def words_of_the_rfc(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, as it stands there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + words_of_the_rfc(leaves[:k]) + words_of_the_rfc(leaves[k:])).digest()


def blob(count: int) -> list[bytes]:
    return [Entry.of(USE if n % 3 else EVENT, n, str(n).encode()).raw for n in range(count)]


@given(st.integers(0, 300))
def test_the_root_is_that_of_the_rfc(count: int) -> None:
    leaves = blob(count)
    assert root_of(b"".join(leaves)) == words_of_the_rfc(leaves)


@given(st.integers(1, 200), st.data())
def test_a_path_leads_from_its_own_leaf_alone_to_the_root(count: int, data: st.DataObject) -> None:
    leaves = blob(count)
    tree, index = Tree(b"".join(leaves)), data.draw(st.integers(0, count - 1))
    path = tree.path(index)
    assert tree.find(leaves[index]) == index
    assert climb(leaves[index], index, count, path) == tree.root
    assert len(path) <= max(count - 1, 0).bit_length()
    other = data.draw(st.integers(0, count - 1))
    if other != index:
        assert climb(leaves[other], index, count, path) != tree.root
        assert climb(leaves[index], other, count, path) != tree.root
    assert climb(leaves[index], index, count, [*path, b"x" * 32]) != tree.root
    if path:
        assert climb(leaves[index], index, count, path[:-1]) != tree.root
        assert climb(leaves[index], index, count, [b"x" * 32, *path[1:]]) != tree.root


def test_an_inner_node_is_no_leaf() -> None:
    tree = Tree(b"".join(blob(2)))
    pair = b"".join(hashlib.sha256(b"\0" + leaf).digest() for leaf in blob(2))
    assert climb(pair, 0, 1, []) != tree.root


def test_entries_are_found_only_where_one_begins() -> None:
    leaves = blob(3)
    whole = b"".join(leaves)
    tree = Tree(whole)
    assert tree.find(whole[1:42]) is None
    assert [e.raw for e in entries_of(whole)] == leaves
    with pytest.raises(ValueError, match="no whole number"):
        list(entries_of(whole[:-1]))
    with pytest.raises(ValueError, match="neither U nor E"):
        list(entries_of(b"X" + whole[1:]))


snapshots = st.builds(
    lambda most, back: Snapshot(most, tuple(sorted({most - b for b in back if b < most}))),
    st.integers(2, 300),
    st.sets(st.integers(1, 40), max_size=6),
)


@given(snapshots, st.integers(1, 400))
def test_a_snapshot_is_the_same_after_its_text(snapshot: Snapshot, transaction: int) -> None:
    assert Snapshot.of(str(snapshot)) == snapshot
    assert snapshot.shows(transaction) == (transaction < snapshot.most and transaction not in snapshot.running)


@given(snapshots, st.integers(1, 400), st.integers(1, 400))
def test_a_cut_shows_nothing_more_and_all_below_it(snapshot: Snapshot, most: int, transaction: int) -> None:
    cut = snapshot.cut(most)
    assert cut.shows(transaction) == (snapshot.shows(transaction) and transaction < most)


def test_signing_is_deterministic_and_the_typ_separates_uses() -> None:
    keys, body = KeyRing([SEAL_KEY.jwk]), {"b": 1, "a": "ö"}
    text = SEAL_KEY.sign(SEAL, body)
    assert text == SealKey.of(b"d" * 32).sign(SEAL, {"a": "ö", "b": 1})
    assert keys.open(SEAL, text) == body
    with pytest.raises(SignatureError, match="not as «consent-receipt"):
        keys.open(RECEIPT, text)


def test_what_is_not_signed_by_the_department_is_not_believed() -> None:
    text, keys = SEAL_KEY.sign(SEAL, {"a": 1}), KeyRing([SEAL_KEY.jwk])
    head, body, signature = text.split(".")
    stranger = SealKey.of(b"e" * 32)
    for wrong in (f"{head}.{body}.", f"{head}.{body[:-2]}AA.{signature}", f"{head}.{body}.{signature[:-4]}AAAA", "nonsense", "", "a.b.c"):
        with pytest.raises(SignatureError):
            keys.open(SEAL, wrong)
    with pytest.raises(SignatureError, match="No key with the id"):
        KeyRing([stranger.jwk]).open(SEAL, text)
    # a JWKS that gives a stranger's key the department's id: the id is made from the key itself
    with pytest.raises(SignatureError, match="No key with the id"):
        KeyRing([{**stranger.jwk, "kid": SEAL_KEY.kid}]).open(SEAL, text)


def test_a_key_ring_takes_seal_keys_alone() -> None:
    rsa = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "x"}
    assert (
        len(KeyRing([rsa, {"kty": "OKP", "crv": "X25519", "x": SEAL_KEY.jwk["x"]}, {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, {}])) == 0
    )
    assert len(KeyRing([SEAL_KEY.jwk])) == 1
    assert len(KeyRing([{**SEAL_KEY.jwk, "purpose": "Agreement"}])) == 0


def test_the_key_stays_out_of_its_text() -> None:
    assert repr(SEAL_KEY) == f"SealKey({SEAL_KEY.kid})"
