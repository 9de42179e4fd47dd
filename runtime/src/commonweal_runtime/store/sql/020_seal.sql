-- Seals: once a second the keeper puts every row that has become visible since the last seal under a Merkle root, chained and signed with a key that
-- the database never holds. A row belongs to the first seal in whose snapshot its transaction is visible, so no order of commits slips past.
create index event_tx on consent.event (tx);

create table audit.seal (
  n bigint primary key check (n > 0),
  snapshot pg_snapshot not null,
  upto xid8 not null,                            -- end of the snapshot; with it a row's seal is found
  entries bytea not null,                        -- 41 bytes a row: U or E, its number, SHA-256 of its bytes. Kept when rows go.
  jws text not null                              -- what counts: n, at, snapshot, counts, root, hash of the seal before
);
alter table audit.seal alter column entries set storage external;   -- hashes do not compress
create index seal_upto on audit.seal (upto, n);
create trigger frozen   before update or delete on audit.seal for each row execute function consent.frozen();
create trigger frozen_t before truncate on audit.seal for each statement execute function consent.frozen();

-- A row's bytes: JSON of every column, nulls left out, so that a later release's new (null) column leaves the bytes of old rows as they are.
-- Nothing in it depends on a session's settings: times are numbers, hashes hexadecimal. No person's id is in it: each stands as the hash of row and
-- id, so that a proof of a page of people, and an auditor's copy, show whom they concern only to who knows the id (122 bits of HMAC).
create function audit.veiled(p_row text, p_person uuid) returns text immutable strict parallel safe language sql as $$
  select encode(sha256(convert_to(p_row || ':' || p_person::text, 'UTF8')), 'hex') $$;

create function audit.veiled(p_row text, p_people uuid[]) returns jsonb immutable strict parallel safe language sql as $$
  select coalesce(jsonb_agg(audit.veiled(p_row, s) order by o), '[]') from unnest(p_people) with ordinality x(s, o) $$;

-- Every read is sealed, so this is written for speed: no sub-query, so that it is inlined, and text joined rather than JSON built (a third of the time).
-- concat_ws leaves nulls out. A test fails when a column is not in it; a new one goes to the end.
create function audit.use_bytes(u audit.use) returns bytea stable parallel safe language sql as $$
  select convert_to('{' || concat_ws(',',
    '"id":' || u.id::text, '"tx":"' || u.tx::text || '"', '"at":' || extract(epoch from u.at)::text, '"agreement":' || u.agreement::text,
    '"client":' || to_json(u.client)::text, '"purpose":' || to_json(u.purpose)::text, '"op":' || to_json(u.op)::text,
    '"contract":' || to_json(u.contract)::text, '"fields":' || to_json(u.fields)::text,
    '"subject":"' || audit.veiled('use:' || u.id::text, u.subject) || '"', '"subjects":' || audit.veiled('use:' || u.id::text, u.subjects)::text,
    '"found":' || u.found::text, '"basis":' || to_json(u.basis)::text) || '}', 'UTF8') $$;

create function audit.event_bytes(e consent.event) returns bytea stable parallel safe language sql as $$
  select convert_to(jsonb_strip_nulls(to_jsonb(e) || jsonb_build_object(
    'at', extract(epoch from e.at), 'valid_until', extract(epoch from e.valid_until),
    'subject', audit.veiled('event:' || e.seq::text, e.subject),
    'indicated_by', case when e.indicated_by ~ '^[A-Za-z]+:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
      then split_part(e.indicated_by, ':', 1) || ':' || audit.veiled('event:' || e.seq::text, split_part(e.indicated_by, ':', 2)::uuid) else e.indicated_by end,
    'prev', encode(e.prev, 'hex'), 'hash', encode(e.hash, 'hex')))::text, 'UTF8') $$;

create function audit.entry(u audit.use) returns bytea stable parallel safe language sql as $$
  select '\x55'::bytea || int8send(u.id) || sha256(audit.use_bytes(u)) $$;
create function audit.entry(e consent.event) returns bytea stable parallel safe language sql as $$
  select '\x45'::bytea || int8send(e.seq) || sha256(audit.event_bytes(e)) $$;

-- The rows between two snapshots, through the index on tx: those that were still running at the earlier one, and those that began since.
create function audit.uses_between(p_from pg_snapshot, p_to pg_snapshot) returns setof audit.use stable language sql as $$
  select u.* from audit.use u where u.tx = any (array(select pg_snapshot_xip(p_from)))
    and u.tx < pg_snapshot_xmax(p_to) and pg_visible_in_snapshot(u.tx, p_to)
  union all
  select u.* from audit.use u where u.tx >= pg_snapshot_xmax(p_from) and u.tx < pg_snapshot_xmax(p_to) and pg_visible_in_snapshot(u.tx, p_to) $$;
create function audit.events_between(p_from pg_snapshot, p_to pg_snapshot) returns setof consent.event stable language sql as $$
  select e.* from consent.event e where e.tx = any (array(select pg_snapshot_xip(p_from)))
    and e.tx < pg_snapshot_xmax(p_to) and pg_visible_in_snapshot(e.tx, p_to)
  union all
  select e.* from consent.event e where e.tx >= pg_snapshot_xmax(p_from) and e.tx < pg_snapshot_xmax(p_to) and pg_visible_in_snapshot(e.tx, p_to) $$;

-- The seal that a transaction's rows are under, or null.
create function audit.sealed_in(p_tx xid8) returns bigint stable language sql as $$
  select s.n from audit.seal s where s.upto > p_tx and pg_visible_in_snapshot(p_tx, s.snapshot) order by s.upto, s.n limit 1 $$;

do $$ declare f text; begin
  alter table audit.seal owner to cw_owner;
  foreach f in array array['veiled(text, uuid)', 'veiled(text, uuid[])', 'use_bytes(audit.use)', 'event_bytes(consent.event)', 'entry(audit.use)', 'entry(consent.event)',
                           'uses_between(pg_snapshot, pg_snapshot)', 'events_between(pg_snapshot, pg_snapshot)', 'sealed_in(xid8)'] loop
    execute 'alter function audit.' || f || ' owner to cw_owner';
    execute 'revoke all on function audit.' || f || ' from public';
    execute 'grant execute on function audit.' || f || ' to cw_keeper, cw_clerk';
  end loop;
end $$;
grant usage on schema audit to cw_keeper, api;
grant select on audit.use, audit.seal to cw_keeper;
grant select on audit.seal, consent.event to cw_clerk;
grant execute on function pg_snapshot_xip(pg_snapshot), pg_snapshot_xmax(pg_snapshot), pg_visible_in_snapshot(xid8, pg_snapshot), pg_current_snapshot()
  to cw_keeper, cw_clerk;
