# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""The door of a Live product: who may be seen is decided here, by the agreement's own policies, and only their keys are asked for at the source.

One remote statement a request. A key that the source gives two rows for gives none: nobody can tell whose they are. Whatever goes wrong at the source
is `SOURCE_UNAVAILABLE` without its text, also when it is slow: a remote statement ends after 1.5 s.
"""

from __future__ import annotations

from commonweal_runtime.store.doors import SUBJECTS, Door, audit, counted, counted_each, guard, record, until
from commonweal_runtime.store.live.foreign import KEY, reading
from commonweal_runtime.store.names import column_of, identifier, table
from commonweal_runtime.store.sqlstates import SqlState

_DOWN = (
    "exception when query_canceled or others then "
    f"raise exception using errcode = '{SqlState.SOURCE_UNAVAILABLE}', message = 'the source does not answer'"
)


def direct(door: Door) -> dict[str, str]:
    """Return the bodies of a door that asks, reads and records in one statement."""
    return {"point": _point(door), "points": _points(door), "page": _page(door)}


def _asked(d: Door, which: str) -> str:
    """Return the statement that lays down the permitted people and their keys, in one order; nobody: null."""
    rows = f"select r.subject, r.{KEY} from {table(d.relation)} r where {which}"
    return f"  select array_agg(q.subject order by q.subject), array_agg(q.{KEY}::{d.key_type} order by q.subject) into v_ids, v_keys from ({rows}) q;\n"


def _fetched(d: Door, what: str) -> str:
    """Return the statement that asks the source, with `what` selected from `r`: subject and fields of each person found."""
    columns = [identifier(column_of(f)) for f in d.fields]
    return (
        "  if v_keys is not null then begin\n"
        f"  with h as materialized ({reading(d.relation, columns, 'v_keys')}),\n"
        f"  r as materialized (select k.s as subject, x.* from unnest(v_ids, v_keys) k(s, k)\n"
        f"    join (select h.*, count(*) over (partition by h.{KEY}) as _times from h) x on x.{KEY} = k.k and x._times = 1)\n"
        f"  {what} from r;\n  {_DOWN};\n  end; end if;\n"
    )


def _keys(d: Door) -> str:
    return f"v_ids uuid[]; v_keys {d.key_type}[];"


def _point(d: Door) -> str:
    found = f"select json_build_object('subject', r.subject, 'record', {record(d)}{until(d)})::text into v_json"
    return (
        f"declare v_json text; {_keys(d)}\nbegin\n{guard(d)}{counted(d, '1')}{counted_each(d, 'array[p_subject]')}"
        f"{_asked(d, f'r.subject = p_subject and r.{KEY} is not null')}{_fetched(d, found)}"
        f"  {audit(d, 'point')}p_subject, null, (v_json is not null)::int;\n  return v_json;\nend "
    )


def _points(d: Door) -> str:
    """Many point reads that arrived together: one question to the source, still one audit row each."""
    found = (
        f"select array_agg(r.subject), array_agg(json_build_object('subject', r.subject, 'record', {record(d)}{until(d)})::text)"
        " into v_given, v_texts"
    )
    return (
        f"declare v_all text; v_subjects uuid[]; v_given uuid[]; v_texts text[]; {_keys(d)}\nbegin\n{guard(d)}  v_subjects := {SUBJECTS};\n"
        f"{counted(d, 'cardinality(v_subjects)')}{counted_each(d, 'v_subjects')}"
        f"{_asked(d, f'r.subject = any (v_subjects) and r.{KEY} is not null')}{_fetched(d, found)}"
        "  with a as materialized (select x.o, x.s, g.j from unnest(v_subjects) with ordinality x(s, o) left join unnest(v_given, v_texts) g(s, j) on g.s = x.s),\n"
        f"  w as ({audit(d, 'point')}s, null, (j is not null)::int from a)\n"
        "  select string_agg(coalesce(j, ''), chr(10) order by o) into v_all from a;\n  return v_all;\nend "
    )


def _page(d: Door) -> str:
    """Whom the source no longer has is not in the page, which is then shorter; the next one begins where the keys end."""
    most = f"least(greatest(p_most, 1), {d.most})"
    which = f"r.subject > p_after and r.{KEY} is not null"
    if d.per_subject is not None:
        which += f" and not agreement.spent(r.subject, {d.per_subject.most})"
    found = (
        f"select array_agg(r.subject order by r.subject), count(*), json_agg(json_build_object('subject', r.subject, 'record', {record(d)}) order by r.subject)"
        " into v_given, v_found, v_items"
    )
    return (
        f"declare v_given uuid[]; v_found int; v_items json; {_keys(d)}\nbegin\n{guard(d)}{counted(d, '1')}"
        f"{_asked(d, f'{which} order by r.subject limit {most}')}{_fetched(d, found)}{counted_each(d, 'v_given')}"
        f"  {audit(d, 'page')}null, coalesce(v_given, '{{}}'), coalesce(v_found, 0);\n"
        f"  return json_build_object('items', coalesce(v_items, '[]'), 'next', case when cardinality(v_ids) = {most} then v_ids[{most}] end{until(d)})::text;\nend "
    )
