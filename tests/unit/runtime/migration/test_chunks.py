"""Pieces, frames and digests: what differs is found, what is broken is refused, and nothing is written outside its directory."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from commonweal_runtime.exceptions import BrokenStreamError, TransferIncompleteError
from commonweal_runtime.migration import frames
from commonweal_runtime.migration.chunks import CHUNK, digest_of, listing, understood, written
from commonweal_runtime.migration.frames import Frame, frame
from commonweal_runtime.migration.receive import lay
from commonweal_runtime.migration.send import send
from commonweal_runtime.migration.tables import differences, rows_of
from commonweal_runtime.store.identity import Identities
from commonweal_runtime.store.postgres import READY, adopt, arrived_beside


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a large file, an empty one, and one that belongs to the running server."""
    root = tmp_path / "old" / "pgdata"
    for folder in ("base/1", "pg_wal", "pg_notify"):
        (root / folder).mkdir(parents=True)
    (root / "PG_VERSION").write_text("15\n")
    (root / "base/1/100").write_bytes(b"a" * CHUNK + b"b" * 10)
    (root / "base/1/101").write_bytes(b"")
    (root / "postmaster.pid").write_text("1")
    (root / "pg_wal" / "000000010000000000000001").write_bytes(b"w")
    return root


def sent(data: Path, beside: Path) -> list[Frame]:
    """Send what is not beside the other store yet, and lay it down there."""
    made: list[Frame] = []
    found = send(data, listing(arrived_beside(beside)), made.append)
    lay(beside, [*made, frame("whole", written(found).encode(), sha256=digest_of(found))])
    return [one for one in made if one.kind == "chunk"]


def test_what_is_laid_is_what_was_sent_and_a_second_pass_sends_what_has_changed(data: Path, tmp_path: Path) -> None:
    there = tmp_path / "new" / "pgdata"
    there.parent.mkdir()
    assert len(sent(data, there)) == 4
    assert listing(arrived_beside(there)) == listing(data)
    assert not (arrived_beside(there) / "postmaster.pid").exists()
    assert (arrived_beside(there) / "pg_notify").is_dir()
    (data / "base/1/100").write_bytes(b"a" * CHUNK + b"c")
    (data / "base/1/101").unlink()
    again = sent(data, there)
    assert [(one.head["path"], one.head["offset"]) for one in again] == [("base/1/100", CHUNK)]
    assert listing(arrived_beside(there)) == listing(data), "also the size, and the file that is gone"


def test_a_piece_that_was_changed_on_the_way_is_refused(data: Path, tmp_path: Path) -> None:
    made: list[Frame] = []
    send(data, {}, made.append)
    spoiled = [
        one._replace(packed=frame("chunk", b"x" * CHUNK).packed) if one.head.get("offset") == 0 and one.packed else one for one in made
    ]
    with pytest.raises(TransferIncompleteError, match="changed on the way"):
        lay(tmp_path / "pgdata", spoiled)


def test_a_file_that_is_missing_at_the_end_is_named(data: Path, tmp_path: Path) -> None:
    made: list[Frame] = []
    found = send(data, {}, made.append)
    short = [one for one in made if one.head.get("path") != "PG_VERSION"]
    with pytest.raises(TransferIncompleteError, match="PG_VERSION"):
        lay(tmp_path / "pgdata", [*short, frame("whole", written(found).encode(), sha256=digest_of(found))])


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    with pytest.raises(TransferIncompleteError, match="outside"):
        lay(tmp_path / "pgdata", [frame("chunk", b"x", path="../../evil", offset=0, sha256="")])
    assert not (tmp_path.parent / "evil").exists()


def test_frames_come_out_as_they_went_in_and_a_stream_that_ends_inside_one_is_broken() -> None:
    stream = io.BytesIO()
    length = frames.write(stream, frame("chunk", b"content", path="p"))
    whole = stream.getvalue()
    assert length == len(whole)
    one = frames.read(io.BytesIO(whole))
    assert one is not None
    assert (one.kind, one.head["path"], one.body()) == ("chunk", "p", b"content")
    assert frames.read(io.BytesIO(b"")) is None
    for cut in range(1, len(whole)):
        with pytest.raises(BrokenStreamError):
            frames.read(io.BytesIO(whole[:cut]))
    with pytest.raises(BrokenStreamError, match="not one of frames"):
        frames.read(io.BytesIO(b"\xff" * 64))


def test_a_listing_survives_being_written(data: Path) -> None:
    assert understood(written(listing(data))) == listing(data)


def test_tables_that_differ_are_named_also_when_one_side_lacks_them() -> None:
    here = {"department": {"a.b": "1:2:3", "a.c": "0:0:0"}, "models": {}}
    assert differences(here, here) == []
    assert differences(here, {"department": {"a.b": "1:2:4"}, "models": {"x.y": "0:0:0"}}) == [
        "department: a.b",
        "department: a.c",
        "models: x.y",
    ]
    assert rows_of("17:5:6") == 17


def test_a_copy_that_is_ready_takes_the_place_of_a_store_wherever_it_was_cut_short(tmp_path: Path) -> None:
    data, arrived = tmp_path / "pgdata", tmp_path / "arrived"

    def fresh() -> None:
        for folder, text in ((data, "old"), (arrived, "new")):
            folder.mkdir(exist_ok=True)
            (folder / "PG_VERSION").write_text(text)

    fresh()
    adopt(data)
    assert (data / "PG_VERSION").read_text() == "old", "a copy that is not ready is left alone"
    (arrived / READY).write_text("m")
    data.rename(tmp_path / "replaced")  # killed between the two renames
    adopt(data)
    assert (data / "PG_VERSION").read_text() == "new"
    fresh()
    (arrived / READY).write_text("m")
    adopt(data)
    assert (data / "PG_VERSION").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pgdata"]
    assert [p.name for p in data.iterdir()] == ["PG_VERSION"]


def test_objects_are_planned_under_the_uids_that_the_store_knows_and_reported_under_the_sites_own() -> None:
    from commonweal_api.plan import Outcome

    found = Identities({"new": "old"}).outcomes(
        {n: Outcome(uid=u, generation=1, ready=True, reason="Serving") for n, u in (("p", "old"), ("p@1", "old@1"), ("q", "own"))}
    )
    assert {n: o.uid for n, o in found.items()} == {"p": "new", "p@1": "new@1", "q": "own"}
