"""What a Live product is to PostgreSQL, as statements, and the judgement on plans: without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commonweal_api.data_source import SourceTls, TlsMode
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.live import foreign
from commonweal_runtime.store.live.pushdown import check_here, check_there
from support.products import spec

NAME = {"name": "fullName", "column": "full_name", "type": "String", "required": True}
BORN = {"name": "born", "column": "born", "type": "Date"}
YEAR = {"name": "birthYear", "mask": {"of": "born", "kind": "Year"}}
SPEC = spec(NAME, BORN, YEAR, serve={"mode": "Live"})
REMOTE = "SELECT ref, full_name, born FROM public.person WHERE ((ref = ANY ($1::text[])))"


def here(**over: Any) -> str:
    return json.dumps([{"Plan": {"Node Type": "Foreign Scan", "Remote SQL": REMOTE, **over}}])


def there(**node: Any) -> str:
    return json.dumps([{"Plan": {"Node Type": "Subquery Scan", "Plans": [node]}}])


def test_options_are_changed_in_place() -> None:
    before, after = {"host": "a", "port": "5432", "old": "x"}, {"host": "b'c", "port": "5432", "new": "y"}
    assert foreign.altered(before, after) == "set \"host\" 'b''c', add \"new\" 'y', drop \"old\""
    assert foreign.server("r", after, after) == []
    assert foreign.login("r", {"user": "u", "password": "p"}, "u", "p") == []
    assert foreign.login("r", {"user": "u", "password": "p"}, "u", "q") == [
        'alter user mapping for cw_heritage server "r" options (set "password" \'q\')'
    ]


def test_waiting_is_bounded_and_nothing_is_estimated_or_shipped_by_extension() -> None:
    source = SPEC.source.postgres
    assert source is not None
    options = foreign.server_options(source)
    assert (options["connect_timeout"], options["use_remote_estimate"]) == ("2", "false")
    assert "statement_timeout=1500" in options["options"]
    assert "default_transaction_read_only=on" in options["options"]
    assert "extensions" not in options


def test_a_live_source_is_let_in_by_a_login_bound_to_its_channel_or_by_its_certificate() -> None:
    source = SPEC.source.postgres
    assert source is not None
    assert foreign.server_options(source).items() >= {"sslmode": "require", "channel_binding": "require"}.items()
    verified = source.model_copy(update={"tls": SourceTls(mode=TlsMode.VERIFY)})
    assert foreign.server_options(verified)["sslrootcert"] == str(foreign.PUBLIC_AUTHORITIES)
    options = foreign.server_options(verified, Path("/data/authority.crt"))
    assert options.items() >= {"sslmode": "verify-full", "sslrootcert": "/data/authority.crt"}.items()


def test_the_view_has_the_mapped_columns_and_the_masks_and_no_row_that_breaks_the_contract() -> None:
    source = SPEC.source.postgres
    assert source is not None
    statements = foreign.definition("people_1", SPEC, source, "text")
    assert "_source text options (column_name 'ref')" in statements[1]
    assert "\"fullName\" text options (column_name 'full_name'), \"born\" date options (column_name 'born')" in statements[1]
    assert '(extract(year from "born"))::bigint as "birthYear"' in statements[2]
    assert statements[2].endswith(
        """where "fullName" is not null and ("born" is null or ("born" >= '0001-01-01' and "born" < '10000-01-01'))"""
    )
    assert foreign.digest_of(statements) in statements[-1]


def test_a_column_with_padding_is_of_the_type_that_drops_it() -> None:
    source = SPEC.source.postgres
    assert source is not None
    statements = foreign.definition("people_1", SPEC, source, "bpchar", {"full_name"})
    assert "_source bpchar options (column_name 'ref'), \"fullName\" bpchar options" in statements[1]
    assert '"fullName"::text' in statements[2]


def test_the_store_keeps_the_key_and_no_field() -> None:
    assert [c.field for c in foreign.kept_shape(SPEC).columns] == ["_source"]
    replica = spec(NAME, BORN, YEAR)
    assert [c.field for c in foreign.kept_shape(replica).columns] == ["fullName", "born", "birthYear"]


def test_a_plan_that_ships_the_keys_is_safe() -> None:
    check_here(here(), "ref", foreign.remote_columns(SPEC))
    quoted = 'SELECT "Ref", full_name FROM "Old"."Person" WHERE (("Ref" = ANY (\'{a,b}\'::text[])))'
    check_here(here(**{"Remote SQL": quoted}), "Ref", {"Ref", "full_name"})


@pytest.mark.parametrize(
    "over",
    [
        {"Filter": "(r._source = ANY (($1)::text[]))"},
        {"Node Type": "Hash Join"},
        {"Plans": [{"Node Type": "Foreign Scan"}]},
        {"Remote SQL": "SELECT ref, full_name, born FROM public.person"},
        {"Remote SQL": "SELECT ref, full_name, born FROM public.person WHERE ((other = ANY ($1::text[])))"},
        {"Remote SQL": "SELECT ref, salary FROM public.person WHERE ((ref = ANY ($1::text[])))"},
        {"Remote SQL": None},
    ],
)
def test_any_other_plan_is_not(over: dict[str, Any]) -> None:
    plan = {k: v for k, v in {"Remote SQL": REMOTE, **over}.items() if v is not None}
    text = json.dumps([{"Plan": {"Node Type": "Foreign Scan", **plan}}])
    with pytest.raises(SourceReadError, match=r"[Tt]he source|leave the source") as refused:
        check_here(text, "ref", foreign.remote_columns(SPEC))
    assert refused.value.reason is Reason.PUSHDOWN_UNSAFE


def test_the_source_must_find_the_keys_by_an_index() -> None:
    condition = "(ref = ANY ('{a,b}'::text[]))"
    check_there(there(**{"Node Type": "Index Scan", "Index Cond": condition}), "ref")
    for node in (
        {"Node Type": "Seq Scan", "Filter": condition},
        {"Node Type": "Index Scan", "Index Cond": "(day = 1)"},
        {"Node Type": "Foreign Scan"},
    ):
        with pytest.raises(SourceReadError, match="no index that fits"):
            check_there(there(**node), "ref")
