"""Pairwise ids."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from commonweal_api.pairwise import pairwise, pairwise_bytes
from commonweal_api.signatures import sector_key

MASTER = bytes(range(32))


def test_the_id_is_fixed_for_ever() -> None:
    """A change of this value would give every person in every department another id."""
    assert str(pairwise(sector_key(MASTER, "tax-authority"), "P000001")) == "8b779bde-32ad-897d-804a-b23e09ef7dc6"


@given(st.text(max_size=40), st.text(max_size=40))
def test_ids_are_repeatable_distinct_and_well_formed(one: str, other: str) -> None:
    key = sector_key(MASTER, "a")
    got = pairwise(key, one)
    assert (got.version, got.variant) == (8, uuid.RFC_4122)
    assert (got == pairwise(key, other)) == (one == other)
    assert got != pairwise(sector_key(MASTER, "b"), one)


@given(st.binary(max_size=140), st.lists(st.text(max_size=140), max_size=5))
def test_many_at_once_are_the_same_ids(key: bytes, roots: list[str]) -> None:
    got = pairwise_bytes(key, (root.encode() for root in roots))
    assert [uuid.UUID(bytes=got[n : n + 16]) for n in range(0, len(got), 16)] == [pairwise(key, root) for root in roots]
