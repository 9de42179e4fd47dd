"""The files of the store's schema: a base line that is read from top to bottom, and migrations that follow it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from importlib.resources import files

import commonweal_runtime.store
from commonweal_runtime.store.schema import BASE, migrations

SQL = files(commonweal_runtime.store).joinpath("sql")
RELEASED = "c2eaef6d534737b92fbb824c2780080d6afdfc11e9c7dae3d82fac4c8241ea63"


def base() -> str:
    return migrations()[0][1]


def test_each_object_of_the_base_line_is_defined_once() -> None:
    defined = Counter(
        re.sub(r"\s+", " ", line.partition(" returns ")[0].strip())
        for line in re.findall(r"^create (?!trigger|index).*$", base(), re.MULTILINE)
    )
    assert len(defined) > 150
    assert [what for what, times in defined.items() if times > 1] == []


def test_the_base_line_makes_and_never_mends() -> None:
    """A definition that is replaced, dropped or added to elsewhere would have to be read twice."""
    assert re.findall(r"^\s*(?:create or replace|drop |alter table \S+ (?:add|drop) ).*$", base(), re.MULTILINE) == []


def test_the_base_line_is_what_was_applied_to_stores_already() -> None:
    """A change of the schema is a new file: sql/101_<what>.sql. A store that has this base line refuses another one."""
    assert hashlib.sha256(base().encode()).hexdigest() == RELEASED


def test_migrations_follow_the_base_line_by_number() -> None:
    numbers = [version for version, _ in migrations()]
    assert numbers == sorted(set(numbers))  # a number may be left out: what is not in a store's ledger is applied
    assert numbers[0] == BASE
    assert all(re.fullmatch(r"\d{3}_[a-z_]+\.sql|base", f.name) for f in SQL.iterdir())
