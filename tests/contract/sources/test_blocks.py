"""What did not change at a database is not read again, and what did is there after the next refresh, as if all had been read."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.loading import blocks
from commonweal_runtime.store.loading.renaming import Renaming
from commonweal_runtime.store.loading.scope import Scope
from commonweal_runtime.store.loading.staging import Staging
from commonweal_runtime.store.sources.blocks import parts_for
from support.data_api import GRANTS, plan, subject
from support.keeper import Bench
from support.live import live_product
from support.loads import CutError, Loads
from support.mariadb import MariaDb
from support.pgbouncer import PgBouncer

Spec = dict[str, Any]
SERIAL = itertools.count()
ROWS = 3000
FIELDS = [
    {"name": "fullName", "column": "full_name", "type": "String", "required": True},
    {"name": "score", "column": "score", "type": "Integer"},
    {"name": "loud", "from": "upper(full_name)", "type": "String"},
]


class Place:
    """A table of one of the two kinds of databases, and statements that both understand."""

    def __init__(self, bench: Bench, mariadb: MariaDb, kind: str) -> None:
        self.bench, self.mariadb, self.kind, self.table = bench, mariadb, kind, f"blocks_{next(SERIAL)}"

    def run(self, *statements: str) -> None:
        if self.kind == "mysql":
            self.mariadb.run(*statements, database="heritage")
        else:
            self.bench.change(";".join([*statements, GRANTS]))

    def fill(self, rows: int = ROWS, key: str = "primary key (n)", engine: str = "") -> None:
        """Make the table: a third of the people have two records; `n` is what edits name a row by, and nothing reads it."""
        numbers = f"seq_1_to_{rows}" if self.kind == "mysql" else f"generate_series(1, {rows}) seq"
        self.run(
            f"create table {self.table} (n int, ref varchar(20), visit varchar(20), full_name varchar(60), score varchar(20), changed int, {key}) {engine}",
            f"insert into {self.table} select seq, concat('P', seq - case when seq % 3 = 0 then 1 else 0 end), concat('V', seq), concat('Person ', seq), seq, 0 "
            f"from {numbers}",
        )

    def spec(self, *, many: bool = True, port: int | None = None, **over: Any) -> Spec:
        server = self.mariadb if self.kind == "mysql" else self.bench.heritage
        where = {"host": "127.0.0.1", "port": port or server.port, "database": "heritage", "table": self.table}
        return {
            "title": "People",
            "version": "1.0.0",
            "class": "Person",
            "source": {self.kind: {**where, "credentials": {"name": "heritage"}, **over}},
            "subject": {"column": "ref", "records": "Many", "recordKey": "visit"} if many else {"column": "visit"},
            "serve": {"refreshSeconds": 3600},
            "fields": FIELDS,
        }

    def loads(self, **over: Any) -> Loads:
        (loads,) = Loads.of(self.bench, **{f"people{next(SERIAL)}": self.spec(**over)})
        return loads


@pytest.fixture(params=["postgres", "mysql"])
def place(request: pytest.FixtureRequest, bench: Bench, mariadb: MariaDb) -> Place:
    return Place(bench, mariadb, request.param)


def read(scope: Scope) -> int:
    """Return how many blocks a load of some has read, which are fewer than all."""
    assert scope.only is not None, scope.why
    assert scope.parts is not None
    assert len(scope.only) < scope.parts
    return len(scope.only)


def edit(table: str, dice: random.Random, new: int) -> str:
    """Return a change of one row or of a few."""
    n, here = dice.randint(1, ROWS), f"update {table} set"
    return dice.choice(
        [
            f"{here} full_name = concat(full_name, 'x') where n = {n}",
            f"{here} full_name = null where n = {n}",
            f"{here} score = 'many' where n % 997 = {n % 997}",
            f"{here} score = '{n}' where score = 'many' or n = {n}",
            f"{here} score = null where n = {n}",
            f"{here} ref = 'Q{n}' where n = {n}",
            f"{here} ref = null where n = {n}",
            f"{here} visit = '' where n = {n}",
            f"{here} visit = 'V{n + 1}', ref = 'P{n}' where n in ({n}, {n + 1})",  # two rows with one key
            f"delete from {table} where n between {n} and {n + 2}",
            f"insert into {table} values ({new}, 'N{n}', 'V{new}', 'New', '1', 0)",
        ]
    )


@pytest.mark.parametrize("many", [True, False])
def test_after_any_changes_the_store_has_what_a_load_of_everything_gives(place: Place, many: bool) -> None:
    place.fill()
    loads, other = Loads.of(place.bench, **{f"{kind}{next(SERIAL)}": place.spec(many=many) for kind in ("parts", "whole")})
    assert loads.load().scope.only is None
    dice, new = random.Random(13), itertools.count(ROWS + 1)
    for _ in range(6):
        place.run(*(edit(place.table, dice, next(new)) for _ in range(25)))
        assert read(loads.load().scope) > 0
        other.execute("delete from staging.divided where product like 'p-whole%'")
        assert other.load().scope.only is None
        assert loads.has() == other.has()


def test_what_did_not_change_is_not_read(place: Place) -> None:
    place.fill()
    loads = place.loads()
    first = loads.load()
    assert (first.inserted, first.scope.only, first.scope.why) == (ROWS, None, "nothing is known of its blocks")
    loaded = loads.value("select loaded_at from agreement.product")
    heard: list[str] = []
    again = loads.load(heard.append)
    assert (again.written, again.scope.described, heard) == (0, f"0 of {parts_for(ROWS)} blocks read", [])
    assert loads.value("select loaded_at from agreement.product") > loaded
    place.run(f"update {place.table} set full_name = 'Ada' where n = 7")
    done = loads.load(heard.append)
    assert (done.updated, done.inserted, done.deleted, read(done.scope)) == (1, 0, 0, 1)
    assert heard[0] == f"{done.scope.rows} of {done.scope.rows} rows are read (100 %)."
    assert read(loads.load().scope) == 0
    loads.execute("update staging.divided set whole_at = whole_at - interval '25 hours'")
    assert loads.load().scope.why == "the last time is a day ago"
    assert loads.value("select count(*) from staging.block where seal is null") == 0
    loads.execute("update staging.divided set plan = 'another'")
    assert loads.load().scope.why == "another thing is to be read than before"


def test_rows_go_into_quarantine_and_come_back_and_a_person_who_was_erased_is_noted_as_gone(place: Place) -> None:
    place.fill()
    loads = place.loads()
    loads.load()
    place.run(f"update {place.table} set score = 'x' where n in (10, 20, 30)", f"update {place.table} set ref = null where n = 40")
    done = loads.load()
    assert (done.quarantined, done.deleted) == ({"score": 3, "spec.subject.column": 1}, 4)
    place.run(f"update {place.table} set score = '5' where n = 10")
    done = loads.load()
    assert (done.quarantined, done.inserted, read(done.scope)) == ({"score": 2, "spec.subject.column": 1}, 1, 1)
    loads.execute(
        "insert into consent.erased (product, subject, indicated_by) select uid, s, 'test' "
        f"from agreement.product, unnest(array['{subject('P20')}', '{subject('P1')}', '{subject('P100')}']::uuid[]) s"
    )
    place.run(f"delete from {place.table} where ref in ('P20', 'P1')")
    done = loads.load()
    assert done.quarantined == {"score": 1, "spec.subject.column": 1}
    gone = (
        "select array_agg(subject order by subject) from consent.erased join agreement.product on uid = product where at_source is not null"
    )
    assert loads.value(gone) == sorted([subject("P20"), subject("P1")]), "the third's block was not read"


def test_a_source_that_is_emptied_empties_nothing(place: Place) -> None:
    place.fill()
    loads = place.loads()
    loads.load()
    place.run(f"create table {place.table}_kept as select * from {place.table}", f"delete from {place.table}")
    for _ in range(2):
        with pytest.raises(SourceReadError) as refused:
            loads.load()
        assert refused.value.reason is Reason.LOSS_REFUSED
    place.run(f"insert into {place.table} select * from {place.table}_kept where n > 100")
    done = loads.load()
    assert (done.deleted, done.written) == (100, 100)
    assert sum(loads.has()[0].values()) == ROWS - 100


def test_a_row_that_changes_while_others_are_read_is_read_the_next_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.fill()
    loads = place.loads()
    loads.load()
    keep, change = blocks.keep, f"update {place.table} set full_name = concat(full_name, '!') where n = 5"

    async def late(staging: Staging, scope: Scope) -> Staging:
        monkeypatch.setattr(blocks, "keep", keep)
        await asyncio.to_thread(place.run, change)
        return await keep(staging, scope)

    place.run(change)
    monkeypatch.setattr(blocks, "keep", late)
    assert loads.load().updated == 1
    names = {row[2] for row in loads.has()[0]}
    assert "Person 5!" in names, "in the snapshot of the digests"
    assert loads.load().updated == 1
    assert "Person 5!!" in {row[2] for row in loads.has()[0]}


def cut_after(rows: int) -> Callable[[str], None]:
    def tell(progress: str) -> None:
        if progress[0].isdigit() and int(progress.split(maxsplit=1)[0]) >= rows:
            raise CutError

    return tell


def test_a_load_that_broke_off_goes_on_and_what_changed_meanwhile_is_read_again(place: Place) -> None:
    place.fill(12_000, "primary key (visit)")
    loads = place.loads(many=False)
    with pytest.raises(CutError):
        loads.load(cut_after(1))
    place.run(f"update {place.table} set full_name = 'Meanwhile' where visit in ('V1', 'V9999')")
    done = loads.load()
    assert (done.resumed > 0, done.inserted) == (True, 12_000)
    assert loads.has()[0].total() == 12_000
    assert [row[1] for row in loads.has()[0]].count("Meanwhile") == 1, "one was read before, and one after"
    place.run(f"update {place.table} set full_name = 'Person 9999' where visit = 'V9999'")
    done = loads.load()
    assert (done.updated, read(done.scope)) == (2, 2), "what it was at first it is again, and it is read all the same"
    # and a load of some blocks: it goes on only while the source is the same
    place.run(f"update {place.table} set full_name = 'Two' where n % 1000 = 7")
    with pytest.raises(CutError):
        loads.load(cut_after(1))
    done = loads.load()
    assert (done.resumed > 0, done.updated) == (True, 12)
    place.run(f"update {place.table} set full_name = 'Three' where n % 1000 = 7")
    with pytest.raises(CutError):
        loads.load(cut_after(1))
    place.run(f"update {place.table} set full_name = 'Four' where n % 1000 = 7")
    done = loads.load()
    assert (done.resumed, done.updated) == (0, 12)
    assert loads.value("select count(*) from staging.progress") == 0


def test_a_watermark_stands_for_the_row(place: Place) -> None:
    place.fill()
    loads = place.loads(watermark={"column": "changed"})
    loads.load()
    place.run(f"update {place.table} set full_name = 'Unsaid' where n = 3")
    assert read(loads.load().scope) == 0
    place.run(f"update {place.table} set changed = changed - 1 where n = 3", f"delete from {place.table} where n = 4")
    done = loads.load()
    assert (done.updated, done.deleted, read(done.scope)) == (1, 1, 2)
    with pytest.raises(SourceReadError) as missing:
        place.loads(watermark={"column": "none"}).load()
    assert missing.value.reason is Reason.COLUMN_MISSING
    assert "watermark.column" in missing.value.detail


def test_a_view_and_a_table_without_snapshots(place: Place) -> None:
    engine = "engine = MyISAM" if place.kind == "mysql" else ""
    place.fill(engine=engine)
    if engine:
        loads = place.loads()
        for _ in range(2):
            done = loads.load()
            assert (done.scope.only, done.scope.lacking) == (None, True)
            assert done.detail.startswith("Each refresh reads all of the source: its tables of the engine myisam have no snapshot")
    place.run(f"create view {place.table}_seen as select * from {place.table} where n > 0")
    place.table += "_seen"
    loads = place.loads()
    loads.load()
    place.run(f"update {place.table} set score = '0' where n = 9")
    assert read(loads.load().scope) == 1


def test_the_store_s_memory_tells_nothing_of_the_source(place: Place) -> None:
    place.fill(64)
    place.run(f"update {place.table} set visit = 'V', full_name = 'Same', score = '1', ref = concat('P', n)")
    loads = place.loads()
    loads.load()
    seals = "select count(distinct seal) = count(*) and bool_and(length(seal) = 16) from staging.block where seal is not null"
    assert loads.value(seals)
    assert loads.value("select bool_and(x::text !~ 'Same|P[0-9]') from staging.block x")


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pooler_may_stand_before_the_source(bench: Bench, mariadb: MariaDb, mode: str) -> None:
    place = Place(bench, mariadb, "postgres")
    place.fill()
    with PgBouncer(bench.heritage, mode) as pooler:
        loads = place.loads(port=pooler.port)
        loads.load()
        place.run(f"update {place.table} set score = '0' where n = 9")
        assert read(loads.load().scope) == 1
        assert read(loads.load().scope) == 0


def test_a_source_that_computes_no_digests_is_read_as_before_and_says_why(bench: Bench, mariadb: MariaDb) -> None:
    place, function = Place(bench, mariadb, "postgres"), "function hashtextextended(text, bigint)"
    place.fill()
    loads = place.loads()
    loads.load()
    place.run(f"revoke execute on {function} from public", f"update {place.table} set score = '0' where n = 9")
    try:
        done = loads.load()
    finally:
        place.run(f"grant execute on {function} to public")
    assert (done.updated, done.scope.only) == (1, None)
    assert done.detail == "Each refresh reads all of the source: its login may not execute hashtextextended(text,bigint)."
    assert loads.load().scope.why == "nothing is known of its blocks"
    assert read(loads.load().scope) == 0


def test_a_row_that_is_too_long_for_a_hash_is_read_each_time(bench: Bench, mariadb: MariaDb) -> None:
    place, (most,) = Place(bench, mariadb, "mysql"), mariadb.run("select @@global.max_allowed_packet")
    place.fill()
    place.run(
        f"alter table {place.table} modify full_name text", f"update {place.table} set full_name = repeat(char(39), 12000) where n = 9"
    )
    loads = place.loads()
    place.run("set global max_allowed_packet = 16384")
    try:
        assert loads.load().inserted == ROWS
        assert read(loads.load().scope) == 1
        place.run(f"update {place.table} set full_name = concat(full_name, 'x') where n = 9")
        assert loads.load().updated == 1
    finally:
        place.run(f"set global max_allowed_packet = {most[0]}")


def test_the_keys_of_a_live_product(bench: Bench) -> None:
    bench.change(f"create table alive as select * from person; alter table alive add primary key (ref); {GRANTS}")
    loads = Loads(bench, "alive")

    async def loaded(root: Any) -> None:
        await bench.exchange.until("alive", "Serving")

    bench.run(plan({"alive": live_product(bench.heritage, "alive")}, {}), loaded)
    assert read(loads.load().scope) == 0
    bench.change(
        "update alive set full_name = 'Ada'; delete from alive where ref = 'P3'; insert into alive (ref, full_name) values ('P900', 'New')"
    )
    done = loads.load()
    assert (done.inserted, done.deleted, done.updated, read(done.scope)) == (1, 1, 0, 2), "names are read from the source itself"


def test_ids_that_are_renamed_are_in_no_block_that_is_remembered(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.fill(64)
    loads = place.loads()
    loads.load()
    monkeypatch.setattr(Renaming, "settle", lambda *_: asyncio.sleep(0, result=1))
    place.run(f"update {place.table} set score = '0' where n = 9")
    loads.execute("insert into staging.divided (product, plan, parts) values ('other', 'x', 1)")
    loads.load()
    assert loads.value("select count(*) from staging.divided where product = 'other'") == 0
