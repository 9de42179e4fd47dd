# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""The door of a Strict product: `ask` commits the audit row and answers a ticket, `take` gives the rows for a ticket that an earlier transaction committed.

Whoever rolls `ask` back holds a ticket that does not exist; whoever takes in the same transaction, or twice, is refused. What is taken is what the
audit row says was asked, as far as it may still be seen: somebody who has withdrawn in between is not given.
"""

from __future__ import annotations

from commonweal_runtime.store.doors import (
    ISOLATED,
    MOST_TOGETHER,
    SUBJECTS,
    Door,
    audit,
    counted,
    counted_each,
    guard,
    one,
    page,
    settle,
    until,
)
from commonweal_runtime.store.names import table

_NEXT = "(v_json::json ->> 'next')::uuid"


def ticketed(door: Door) -> dict[str, str]:
    """Return the bodies of a door that reads by ticket."""
    return {"ask": _ask(door), "askpage": _ask_page(door), "take": _take(door)}


def _issued(next_: str = "null::uuid") -> str:
    return f"  insert into audit.ticket (use, next) select v_use, {next_} returning token into v_token;\n"


def _ask(d: Door) -> str:
    """One audit row and one ticket for each subject, in the order asked; whether there is anything to give is recorded and not told."""
    there = f"(exists (select from {table(d.relation)} r where r.subject = v_subject))::int"
    return (
        f"declare v_all text; v_subjects uuid[]; v_subject uuid; v_use bigint; v_token uuid;\nbegin\n"
        f"{guard(d)}  v_subjects := {SUBJECTS};\n{counted(d, 'cardinality(v_subjects)')}{counted_each(d, 'v_subjects')}"
        f"  foreach v_subject in array v_subjects loop\n"
        f"  {audit(d, 'point')}v_subject, null, {there} returning id into v_use;\n{_issued()}"
        "  v_all := concat_ws(chr(10), v_all, v_token);\n  end loop;\n  return v_all;\nend "
    )


def _ask_page(d: Door) -> str:
    return (
        "declare v_json text; v_ids uuid[]; v_found int; v_use bigint; v_token uuid;\nbegin\n"
        f"{guard(d)}{counted(d, '1')}{page(d)}{counted_each(d, 'v_ids')}"
        f"  {audit(d, 'page')}null, coalesce(v_ids, '{{}}'), coalesce(v_found, 0) returning id into v_use;\n"
        f"{_issued(_NEXT)}  return v_token;\nend "
    )


def _take(d: Door) -> str:
    """Answers line by line, in the order of the tickets; an empty line is absent or denied. No flush: the audit is on disk already."""
    items = f"(select coalesce(json_agg(i.j order by i.s), '[]') from (select x.s, {one(d, 'x.s')}::json as j from unnest(u.subjects) x(s)) i where i.j is not null)"
    return (
        f"declare v_all text; v_json text; v_token uuid; u record; p_fields text;\nbegin\n{ISOLATED}"
        f"{settle('off')}  foreach v_token in array (string_to_array(p_tickets, chr(10))::uuid[])[1:{MOST_TOGETHER}] loop\n"
        "  select * into u from audit.redeem(v_token);\n  p_fields := u.fields;\n"
        f"  if u.op = 'page' then v_json := json_build_object('items', {items}, 'next', u.next{until(d)})::text;\n"
        f"  else v_json := {one(d, 'u.subject', until(d))}; end if;\n"
        "  v_all := case when v_all is null then '' else v_all || chr(10) end || coalesce(v_json, '');\n  end loop;\n  return v_all;\nend "
    )
