# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""The functions through which one agreement reads: the only thing its login may do.

Each checks client, purpose, period and isolation, counts the request where the agreement has limits, reads under the agreement's own policies, writes the
audit row in the same statement, and answers JSON text. A refusal is one of `sqlstates` and carries no data. `p_caller` is whom a model runtime answers; with
`p_values` it has to be a client of this agreement itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from commonweal_runtime.store.names import column_of, identifier, literal, literals, login_of, reader_of, table
from commonweal_runtime.store.sqlstates import SqlState

DIRECT = {
    "point": "p_subject uuid, p_fields text, p_client text, p_purpose text, p_caller text default null, p_values boolean default false",
    "points": "p_subjects text, p_fields text, p_client text, p_purpose text, p_caller text default null, p_values boolean default false",
    "page": "p_after uuid, p_most int, p_fields text, p_client text, p_purpose text, p_caller text default null, p_values boolean default false",
}
TICKETED = {
    "ask": "p_subjects text, p_fields text, p_client text, p_purpose text, p_caller text default null, p_values boolean default false",
    "askpage": "p_after uuid, p_most int, p_fields text, p_client text, p_purpose text, p_caller text default null, p_values boolean default false",
    "take": "p_tickets text",
}
MOST_TOGETHER = 64
# what is counted is what is read: an array's bounds and dimensions are the caller's, so it is laid out anew
SUBJECTS = f"array(select x.s from unnest(p_subjects::uuid[]) with ordinality x(s, o) order by x.o limit {MOST_TOGETHER})"
# only the account of a department's model runtime states whom it answers, and only as department/client
_NO_CALLER = (
    "p_caller is not null and (p_client not like '%/models' or "
    "p_caller !~ '^[a-z]([a-z0-9-]{0,38}[a-z0-9])?/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')"
)
_WHOLE = "'00000000-0000-0000-0000-000000000000'::uuid"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` in `seconds`; without seconds, in all."""

    most: int
    seconds: int | None = None

    def take(self, subject: str, count: str, state: SqlState) -> str:
        """Return the call that counts `count` for a subject, or refuses with `state`."""
        return f"agreement.take({subject}, {count}, {self.most}, {'null' if self.seconds is None else self.seconds}, '{state}')"


@dataclass(frozen=True, slots=True)
class Door:
    """What the functions of one agreement need to know. Texts are checked by `commonweal_api`; `literal` quotes them all the same.

    `strict`: read by ticket. `key_type`: of the source's key where the product is read Live. `feed`: the consents of other sites must be fresh. `preconditions`: further conditions (SQL, SQLSTATE, message) that refuse.
    """

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
    basis: str
    durable: bool
    zoned: bool
    strict: bool = False
    requests: Limit | None = None
    per_subject: Limit | None = None
    life_days: int | None = None
    preconditions: tuple[tuple[str, SqlState, str], ...] = ()
    key_type: str | None = None

    def function(self, operation: str) -> str:
        """Return the qualified name of one of the functions."""
        return f"door.a{self.number}_{operation}"


def statements(door: Door, bodies: dict[str, str]) -> list[str]:
    """Return the statements that put these functions, and no others, in place for the agreement's login alone."""
    zone = " set timezone = 'UTC'" if door.zoned else ""  # each setting of a function costs every call a little
    parameters = {**DIRECT, **TICKETED}
    out = [f"drop function if exists {_signature(door.number, operation)}" for operation in parameters if operation not in bodies]
    for operation, body in bodies.items():
        signature = _signature(door.number, operation)
        head = f"create or replace function {door.function(operation)}({parameters[operation]}) returns text language plpgsql volatile"
        out += [
            f"{head} security definer set search_path = pg_catalog, pg_temp{zone} as $door$\n{body}$door$",
            f"alter function {signature} owner to {reader_of(door.number)}",
            f"revoke all on function {signature} from public",
            f"grant execute on function {signature} to {login_of(door.number)}",
        ]
    return out


def direct(door: Door) -> dict[str, str]:
    """Return the bodies of a door that reads and records in one statement."""
    return {"point": _point(door), "points": _points(door), "page": _page(door)}


def removal(number: int) -> list[str]:
    """Return the statements that take the functions away, whatever their shape; safe to run twice."""
    return [f"drop function if exists {_signature(number, operation)}" for operation in (*DIRECT, *TICKETED)]


def _signature(number: int, operation: str) -> str:
    types = ", ".join(p.split(" ")[1] for p in {**DIRECT, **TICKETED}[operation].split(", "))
    return f"door.a{number}_{operation}({types})"


def guard(d: Door) -> str:
    """Return what stands before every read. An old snapshot would show people who have withdrawn since, hence the isolation."""

    def refuse(condition: str, state: SqlState, message: str) -> str:
        return f"  if {condition} then raise exception using errcode = '{state}', message = '{message}'; end if;\n"

    period = f"statement_timestamp() < timestamptz {literal(d.begins)} or statement_timestamp() >= timestamptz {literal(d.ends)}"
    clients = literals(list(d.clients))
    fields = f"not string_to_array(p_fields, ',') <@ {literals(list(d.fields))}"
    return (
        refuse(f"p_purpose is null or p_purpose <> all ({literals(list(d.purposes))})", SqlState.PURPOSE_NOT_AGREED, "purpose not agreed")
        + refuse(f"p_client is null or p_client <> all ({clients})", SqlState.CLIENT_NOT_AGREED, "client not agreed")
        + refuse(_NO_CALLER, SqlState.CLIENT_NOT_AGREED, "caller not accepted")
        + refuse(f"p_values and (p_caller is null or p_caller <> all ({clients}))", SqlState.CLIENT_NOT_AGREED, "caller not agreed")
        + refuse(period, SqlState.NOT_IN_FORCE, "agreement not in force")
        + ISOLATED
        + refuse(f"p_fields is not null and ({fields})", SqlState.FIELD_NOT_AGREED, "field not agreed")
        + "".join(refuse(*condition) for condition in d.preconditions)
        + settle("on" if d.durable else "off")
    )


ISOLATED = (
    "  if current_setting('transaction_isolation') <> 'read committed' then "
    f"raise exception using errcode = '{SqlState.WRONG_ISOLATION}', message = 'needs read committed'; end if;\n"
)


def settle(durable: str) -> str:
    """Return the statement that takes two settings out of the session's hands for the rest of the transaction.

    How durable the audit is, and whether the server's own messages reach the client: `debug_print_plan` would show the plans behind the door.
    """
    return f"  perform set_config('synchronous_commit', '{durable}', true), set_config('client_min_messages', 'error', true);\n"


def counted(d: Door, requests: str) -> str:
    """Return the statement that counts `requests` of the agreement as a whole, or nothing if they are not limited."""
    return f"  perform {d.requests.take(_WHOLE, requests, SqlState.REQUEST_LIMIT)};\n" if d.requests else ""


def counted_each(d: Door, subjects: str) -> str:
    """Return the statement that counts each of an array of subjects, always in one order, or nothing if subjects are not limited."""
    if d.per_subject is None:
        return ""
    take = d.per_subject.take("q.s", "q.n", SqlState.SUBJECT_LIMIT)
    return f"  perform {take} from (select s, count(*)::int as n from unnest({subjects}) s group by s order by s) q;\n"


def record(d: Door, row: str = "r") -> str:
    """Return the JSON of one record, cut to `p_fields` inside the store when they are given."""
    names = (["record"] if d.many else []) + list(d.fields)
    columns = ", ".join(f"{row}.{identifier(_column(n))} as {identifier(n)}" for n in names)
    whole = f"(select row_to_json(_o) from (select {columns}) _o)"
    asked = "string_to_array(p_fields, ',')" + (" || 'record'::text" if d.many else "")
    part = f"(select coalesce(json_object_agg(e.key, e.value), '{{}}'::json) from json_each({whole}) e where e.key = any ({asked}))"
    return f"case when p_fields is null then {whole} else {part} end"


def _column(field: str) -> str:
    return field if field == "record" else column_of(field)


def until(d: Door) -> str:
    """Return the members of an answer that say how long it may be kept: empty where the agreement does not."""
    if d.life_days is None:
        return ""
    # to the hour, and down: answers stay the same for a while, and nobody keeps longer than agreed
    end = f"date_trunc('hour', (statement_timestamp() + interval '{d.life_days} days') at time zone 'UTC')"
    return f""", 'dataUntil', to_char({end}, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""


def audit(d: Door, operation: str) -> str:
    """Return the head of the audit insert; the caller adds subject, subjects and found."""
    return (
        "insert into audit.use (client, caller, purpose, op, contract, basis, fields, subject, subjects, found) "
        f"select p_client, p_caller, p_purpose, '{operation}', {literal(d.contract)}, {literal(d.basis)}, p_fields, "
    )


def one(d: Door, key: str, life: str = "") -> str:
    """Return the sub-select for one subject's answer, null when there is nothing to give."""
    t = table(d.relation)
    if not d.many:
        return f"(select json_build_object('subject', r.subject, 'record', {record(d)}{life})::text from {t} r where r.subject = {key})"
    rows = f"select {record(d)} as j, row_number() over (order by r.record) as n from {t} r where r.subject = {key} order by r.record limit {d.most + 1}"
    return (
        f"(select case when count(*) > {d.most} then json_build_object('subject', {key}, 'records', json_agg(q.j order by q.n) filter (where q.n <= {d.most}),"
        f" 'truncated', true{life}) when count(*) > 0 then json_build_object('subject', {key}, 'records', json_agg(q.j order by q.n){life}) end::text from ({rows}) q)"
    )


def _point(d: Door) -> str:
    return (
        f"declare v_json text;\nbegin\n{guard(d)}{counted(d, '1')}{counted_each(d, 'array[p_subject]')}"
        f"  v_json := {one(d, 'p_subject', until(d))};\n"
        f"  {audit(d, 'point')}p_subject, null, (v_json is not null)::int;\n  return v_json;\nend "
    )


def _points(d: Door) -> str:
    """Many point reads that arrived together: one transaction, one flush, still one audit row each.

    Text in and out, so that the driver need not look up array types in a catalogue this role may not read; JSON text of PostgreSQL holds no raw line feed.
    """
    return (
        f"declare v_all text; v_subjects uuid[];\nbegin\n{guard(d)}  v_subjects := {SUBJECTS};\n"
        f"{counted(d, 'cardinality(v_subjects)')}{counted_each(d, 'v_subjects')}"
        f"  with r as materialized (select x.o, x.s, {one(d, 'x.s', until(d))} as j from unnest(v_subjects) with ordinality x(s, o)),\n"
        f"  w as ({audit(d, 'point')}s, null, (j is not null)::int from r)\n"
        "  select string_agg(coalesce(j, ''), chr(10) order by o) into v_all from r;\n  return v_all;\nend "
    )


def _page(d: Door) -> str:
    return (
        f"declare v_json text; v_ids uuid[]; v_found int;\nbegin\n{guard(d)}{counted(d, '1')}{page(d)}{counted_each(d, 'v_ids')}"
        f"  {audit(d, 'page')}null, coalesce(v_ids, '{{}}'), coalesce(v_found, 0);\n  return v_json;\nend "
    )


def page(d: Door) -> str:
    """Return the statement that reads a page into v_ids, v_found and v_json. Subjects whose allowance is spent are left out."""
    most = f"least(greatest(p_most, 1), {d.most})"
    rows = f"{table(d.relation)} r where r.subject > p_after"
    if d.per_subject is not None:
        rows += f" and not agreement.spent(r.subject, {d.per_subject.most})"
    return _page_of_many(d, rows, most) if d.many else _page_of_one(d, rows, most)


def _page_of_one(d: Door, rows: str, most: str) -> str:
    read = (
        f"select r.subject, json_build_object('subject', r.subject, 'record', {record(d)}) as j from {rows} order by r.subject limit {most}"
    )
    return (
        "  select array_agg(q.subject order by q.subject), count(*), json_build_object('items', coalesce(json_agg(q.j order by q.subject), '[]'),\n"
        f"    'next', case when count(*) = {most} then (array_agg(q.subject order by q.subject desc))[1] end{until(d)})::text"
        f" into v_ids, v_found, v_json from ({read}) q;\n"
    )


def _page_of_many(d: Door, rows: str, most: str) -> str:
    """Whole subjects only: the one that the limit would cut waits for the next page, unless it is the first, which is then marked."""
    return (
        f"  with r as materialized (select q.*, row_number() over (order by q.subject, q.record) as n from (select r.subject, r.record, {record(d)} as j\n"
        f"      from {rows} order by r.subject, r.record limit {most} + 1) q),\n"
        f"  edge as (select (select subject from r where n = {most} + 1) as cut, (select subject from r where n = 1) as head),\n"
        f"  kept as (select r.* from r, edge where r.n <= {most} and (cut is null or r.subject <> cut or r.subject = head)),\n"
        "  item as (select k.subject, count(*) as n, case when k.subject = (select cut from edge)\n"
        "      then json_build_object('subject', k.subject, 'records', json_agg(k.j order by k.n), 'truncated', true)\n"
        "      else json_build_object('subject', k.subject, 'records', json_agg(k.j order by k.n)) end as j from kept k group by k.subject)\n"
        "  select array_agg(i.subject order by i.subject), sum(i.n), json_build_object('items', coalesce(json_agg(i.j order by i.subject), '[]'),\n"
        f"    'next', case when (select cut from edge) is not null then (array_agg(i.subject order by i.subject desc))[1] end{until(d)})::text"
        " into v_ids, v_found, v_json from item i;\n"
    )
