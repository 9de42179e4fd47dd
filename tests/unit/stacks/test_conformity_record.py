"""What a site says of itself: signed with its leaves, believed only whole, and drawn without trusting a word of it."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest

from commonweal_api.signatures import public_key
from commonweal_cli.conform import DIFFERENT, EQUAL, held_against, remarks
from commonweal_stacks.conformity.examine import Examined
from commonweal_stacks.conformity.picture import page
from commonweal_stacks.conformity.probes.verdicts import broken, holds, not_probed
from commonweal_stacks.conformity.record import Expected, expected_of, packed, statement_of, unpacked
from commonweal_stacks.conformity.statement import BUNDLE, CONFORMITY, sign, verify
from commonweal_stacks.conformity.tree import Digest
from commonweal_stacks.exceptions import StatementError

SEED, AT = bytes(range(32)), datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = public_key(SEED)


def examined(site: str = "onprem", **probes: str) -> Examined:
    leaves = {"layer": {"a": 1, "b": []}, "probes": {"clock": "holds", **probes}}
    return Examined(site, Digest(leaves), {"clock": holds("in step")}, "")


def test_a_statement_names_the_root_and_each_layers_and_is_believed_with_its_leaves() -> None:
    found = examined()
    expected = expected_of(statement_of(found, seed=SEED, at=AT), [KEY], packed(found.digest))
    assert (expected.name, expected.root) == ("onprem", found.digest.root)
    assert expected.layers == found.digest.roots
    assert expected.digest == Digest({name: dict(leaves) for name, leaves in found.digest.layers.items()})


def test_the_verdicts_are_in_the_statement() -> None:
    predicate = verify(statement_of(examined(), seed=SEED, at=AT), [KEY], predicate_type=CONFORMITY)["predicate"]
    assert predicate["probes"] == {"clock": "holds"}
    assert predicate["leaves"] == {"layer": 2, "probes": 1}


def test_leaves_of_another_root_and_statements_of_another_kind_are_not_believed() -> None:
    found, other = examined(), examined(clock="broken: clock")
    envelope = statement_of(found, seed=SEED, at=AT)
    with pytest.raises(StatementError, match="the leaves: are not those of the root"):
        expected_of(envelope, [KEY], packed(other.digest))
    for raw in (b"", b"x", packed(found.digest)[:-4], b"\x1f\x8b"):
        with pytest.raises(StatementError, match="the leaves: "):
            unpacked(raw, root=found.digest.root)
    with pytest.raises(StatementError, match="predicateType"):
        expected_of(sign(BUNDLE, {"conformity": "ab" * 32}, {}, seed=SEED, at=AT), [KEY], None)
    with pytest.raises(StatementError, match="subject: has no 'conformity'"):
        expected_of(sign(CONFORMITY, {"x": "ab" * 32}, {}, seed=SEED, at=AT), [KEY], None)


def test_equal_digests_are_packed_alike() -> None:
    assert packed(examined().digest) == packed(examined("cloud").digest)


def said(found: Examined, expected: Expected) -> tuple[int, str]:
    out = io.StringIO()
    return held_against(found, expected, out), out.getvalue()


def test_a_difference_is_named_as_nearly_as_is_known() -> None:
    found, other = examined(), examined("canary", clock="broken: clock")
    whole = Expected("canary", other.digest.root, other.digest.roots, other.digest)
    assert said(found, whole) == (DIFFERENT, said(found, whole)[1])
    assert 'probes: clock: "holds" | "broken: clock"' in said(found, whole)[1]

    layers = Expected("canary", other.digest.root, other.digest.roots)
    assert "different in the layers probes\n" in said(found, layers)[1]

    alone = said(found, Expected("", other.digest.root, {}))
    assert alone[0] == DIFFERENT
    assert "different in the layers" not in alone[1]
    assert said(found, Expected("", found.digest.root, {})) == (EQUAL, f"onprem  {found.digest.root}\nas expected\n")


def test_broken_promises_and_untried_ones_are_told_whatever_the_roots() -> None:
    out = io.StringIO()
    verdicts = {"a": broken("open", "reached: x"), "b": not_probed("no node runs pods"), "c": holds()}
    remarks(Examined("onprem", Digest({}), verdicts, ""), out)
    assert out.getvalue() == "onprem breaks a promise: a: broken: open: reached: x\nonprem: 1 of 3 not probed: no node runs pods\n"


def test_the_picture_shows_the_leaf_on_both_sides_and_runs_nothing() -> None:
    evil = "<script>alert(1)</script>"
    left, right = examined(), examined("cloud", clock=evil)
    drawn = page(left, right)
    assert "onprem and cloud differ in 1 leaf" in drawn
    assert "1 of 1 leaves differ" in drawn
    assert "2 leaves, all alike" in drawn
    assert left.digest.root in drawn
    assert right.digest.root in drawn
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn
    assert page(left, examined("cloud")).count("✗") == 0
