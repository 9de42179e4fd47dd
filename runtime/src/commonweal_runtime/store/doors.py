# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""The functions through which one agreement reads: the only thing its login may do.

Each checks client, purpose, period and isolation, reads under the agreement's own policies, writes the audit row in the same statement, and
answers JSON text. A refusal is an SQLSTATE of ours and carries no data:

    CW001 purpose not agreed   CW002 client not agreed   CW003 not in force now   CW004 isolation   CW005 field not agreed
"""

from __future__ import annotations

from dataclasses import dataclass

from commonweal_runtime.store.names import column_of, identifier, literal, literals, login_of, reader_of, table

SIGNATURES = {
    "point": "uuid, text, text, text",
    "points": "text, text, text, text",
    "page": "uuid, int, text, text, text",
}
MOST_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class Door:
    """What the functions of one agreement need to know. Texts are checked by `commonweal_api`; `literal` quotes them all the same."""

    number: int
    relation: str
    fields: tuple[str, ...]
    many: bool
    clients: tuple[str, ...]
    purposes: tuple[str, ...]
    begins: str
    ends: str
    most: int
    contract: str
    durable: bool
    zoned: bool

    def function(self, operation: str) -> str:
        """Return the qualified name of one of the functions."""
        return f"door.a{self.number}_{operation}"


def statements(door: Door) -> list[str]:
    """Return the statements that put the three functions in place for the agreement's login alone."""
    bodies = {"point": _point(door), "points": _points(door), "page": _page(door)}
    names = {
        "point": "p_subject uuid, p_fields text, p_client text, p_purpose text",
        "points": "p_subjects text, p_fields text, p_client text, p_purpose text",
        "page": "p_after uuid, p_most int, p_fields text, p_client text, p_purpose text",
    }
    zone = " set timezone = 'UTC'" if door.zoned else ""  # each setting of a function costs every call a little
    out = []
    for operation, body in bodies.items():
        signature = f"{door.function(operation)}({SIGNATURES[operation]})"
        head = f"create or replace function {door.function(operation)}({names[operation]}) returns text language plpgsql volatile security definer"
        out += [
            f"{head} set search_path = pg_catalog, pg_temp{zone} as $door$\n{body}$door$",
            f"alter function {signature} owner to {reader_of(door.number)}",
            f"revoke all on function {signature} from public",
            f"grant execute on function {signature} to {login_of(door.number)}",
        ]
    return out


def removal(number: int) -> list[str]:
    """Return the statements that take the functions away; safe to run twice."""
    return [f"drop function if exists door.a{number}_{operation}({signature})" for operation, signature in SIGNATURES.items()]


def _guard(d: Door) -> str:
    """Return what stands before every read. An old snapshot would show people who have withdrawn since, hence the isolation."""

    def refuse(condition: str, state: str, message: str) -> str:
        return f"  if {condition} then raise exception using errcode = '{state}', message = '{message}'; end if;\n"

    period = f"statement_timestamp() < timestamptz {literal(d.begins)} or statement_timestamp() >= timestamptz {literal(d.ends)}"
    fields = f"not string_to_array(p_fields, ',') <@ {literals(list(d.fields))}"
    return (
        refuse(f"p_purpose is null or p_purpose <> all ({literals(list(d.purposes))})", "CW001", "purpose not agreed")
        + refuse(f"p_client is null or p_client <> all ({literals(list(d.clients))})", "CW002", "client not agreed")
        + refuse(period, "CW003", "agreement not in force")
        + refuse("current_setting('transaction_isolation') <> 'read committed'", "CW004", "needs read committed")
        + refuse(f"p_fields is not null and ({fields})", "CW005", "field not agreed")
        # last, and for this transaction: a session that has turned it off before does not decide how durable the audit is
        + f"  perform set_config('synchronous_commit', '{'on' if d.durable else 'off'}', true);\n"
    )


def _record(d: Door, row: str = "r") -> str:
    """Return the JSON of one record, cut to `p_fields` inside the store when they are given."""
    names = (["record"] if d.many else []) + list(d.fields)
    columns = ", ".join(f"{row}.{identifier(_column(n))} as {identifier(n)}" for n in names)
    whole = f"(select row_to_json(_o) from (select {columns}) _o)"
    asked = "string_to_array(p_fields, ',')" + (" || 'record'::text" if d.many else "")
    part = f"(select coalesce(json_object_agg(e.key, e.value), '{{}}'::json) from json_each({whole}) e where e.key = any ({asked}))"
    return f"case when p_fields is null then {whole} else {part} end"


def _column(field: str) -> str:
    return field if field == "record" else column_of(field)


def _audit(d: Door, operation: str) -> str:
    """Return the head of the audit insert; the caller adds subject, subjects and found."""
    return (
        "insert into audit.use (client, purpose, op, contract, fields, subject, subjects, found) "
        f"select p_client, p_purpose, '{operation}', {literal(d.contract)}, p_fields, "
    )


def _one(d: Door, key: str) -> str:
    """Return the sub-select for one subject's answer: `j` is null when there is nothing to give, `n` the records in it."""
    t = table(d.relation)
    if not d.many:
        return f"(select json_build_object('subject', r.subject, 'record', {_record(d)})::text from {t} r where r.subject = {key})"
    rows = f"select {_record(d)} as j, row_number() over (order by r.record) as n from {t} r where r.subject = {key} order by r.record limit {d.most + 1}"
    return (
        f"(select case when count(*) > {d.most} then json_build_object('subject', {key}, 'records', json_agg(q.j order by q.n) filter (where q.n <= {d.most}),"
        f" 'truncated', true) when count(*) > 0 then json_build_object('subject', {key}, 'records', json_agg(q.j order by q.n)) end::text from ({rows}) q)"
    )


def _point(d: Door) -> str:
    return (
        f"declare v_json text;\nbegin\n{_guard(d)}  v_json := {_one(d, 'p_subject')};\n"
        f"  {_audit(d, 'point')}p_subject, null, (v_json is not null)::int;\n  return v_json;\nend "
    )


def _points(d: Door) -> str:
    """Many point reads that arrived together: one transaction, one flush, still one audit row each.

    Text in and out, so that the driver need not look up array types in a catalogue this role may not read; JSON text of PostgreSQL holds no raw line feed.
    """
    return (
        f"declare v_all text;\nbegin\n{_guard(d)}"
        f"  with r as materialized (select x.o, x.s, {_one(d, 'x.s')} as j from unnest(p_subjects::uuid[]) with ordinality x(s, o) limit {MOST_TOGETHER}),\n"
        f"  w as ({_audit(d, 'point')}s, null, (j is not null)::int from r)\n"
        "  select string_agg(coalesce(j, ''), chr(10) order by o) into v_all from r;\n  return v_all;\nend "
    )


def _page(d: Door) -> str:
    t, most = table(d.relation), f"least(greatest(p_most, 1), {d.most})"
    read = _page_of_many(d, t, most) if d.many else _page_of_one(d, t, most)
    return (
        f"declare v_json text; v_ids uuid[]; v_found int;\nbegin\n{_guard(d)}{read}"
        f"  {_audit(d, 'page')}null, coalesce(v_ids, '{{}}'), coalesce(v_found, 0);\n  return v_json;\nend "
    )


def _page_of_one(d: Door, t: str, most: str) -> str:
    rows = (
        f"select r.subject, json_build_object('subject', r.subject, 'record', {_record(d)}) as j from {t} r "
        f"where r.subject > p_after order by r.subject limit {most}"
    )
    return (
        "  select array_agg(q.subject order by q.subject), count(*), json_build_object('items', coalesce(json_agg(q.j order by q.subject), '[]'),\n"
        f"    'next', case when count(*) = {most} then (array_agg(q.subject order by q.subject desc))[1] end)::text into v_ids, v_found, v_json from ({rows}) q;\n"
    )


def _page_of_many(d: Door, t: str, most: str) -> str:
    """Whole subjects only: the one that the limit would cut waits for the next page, unless it is the first, which is then marked."""
    return (
        f"  with r as materialized (select q.*, row_number() over (order by q.subject, q.record) as n from (select r.subject, r.record, {_record(d)} as j\n"
        f"      from {t} r where r.subject > p_after order by r.subject, r.record limit {most} + 1) q),\n"
        f"  edge as (select (select subject from r where n = {most} + 1) as cut, (select subject from r where n = 1) as head),\n"
        f"  kept as (select r.* from r, edge where r.n <= {most} and (cut is null or r.subject <> cut or r.subject = head)),\n"
        "  item as (select k.subject, count(*) as n, case when k.subject = (select cut from edge)\n"
        "      then json_build_object('subject', k.subject, 'records', json_agg(k.j order by k.n), 'truncated', true)\n"
        "      else json_build_object('subject', k.subject, 'records', json_agg(k.j order by k.n)) end as j from kept k group by k.subject)\n"
        "  select array_agg(i.subject order by i.subject), sum(i.n), json_build_object('items', coalesce(json_agg(i.j order by i.subject), '[]'),\n"
        "    'next', case when (select cut from edge) is not null then (array_agg(i.subject order by i.subject desc))[1] end)::text into v_ids, v_found, v_json from item i;\n"
    )
