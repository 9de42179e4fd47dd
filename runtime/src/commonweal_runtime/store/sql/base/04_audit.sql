-- What was read, and the proof of it.
create schema audit authorization cw_owner;

-- One row a request, written by the statement that reads. Who, when and in which transaction are defaults that a reader has no right to
-- fill in. A point read names its subject in `subject`, a page all of them in `subjects`: so the row of the usual read has no array to index.
create table audit.use (
  id bigint generated always as identity primary key,
  tx xid8 not null default pg_current_xact_id(),
  at timestamptz not null default clock_timestamp(),
  agreement smallint not null default substr(session_user::text, 5)::smallint,
  client text not null, purpose text not null, op text not null,
  contract text not null,                        -- agreement.contract: the terms and fields in force
  fields text,                                   -- those asked for; null: all that were agreed
  subject uuid, subjects uuid[],
  found integer not null,                        -- records given; 0 = asked for, not given
  basis text,                                    -- what it rested on: one that is time-boxed can then be reviewed without the terms beside it
  check ((subject is null) <> (subjects is null))
);
create index use_subject on audit.use (subject, id) where subject is not null;
create index use_subjects on audit.use using gin (subjects) where subjects is not null;
create index use_tx on audit.use (tx);           -- for whoever takes the rows of finished transactions: the seal, the public counts
create trigger frozen   before update or delete on audit.use for each row execute function consent.frozen();
create trigger frozen_t before truncate on audit.use for each statement execute function consent.frozen();

-- Whether a use is shown to the people it was about: at once, after some days, or never, as the terms in force at the time say.
create function audit.told(p_content jsonb, p_at timestamptz) returns boolean stable language sql as $$
  select case coalesce(p_content #>> '{transparency,visibility}', 'Immediate') when 'Immediate' then true
    when 'Delayed' then coalesce(p_at + make_interval(days => (p_content #>> '{transparency,delayDays}')::int) <= statement_timestamp(), false)
    else false end $$;
create function audit.shown_to(p_subject uuid, u audit.use) returns boolean stable language sql security definer set search_path = pg_catalog as $$
  select coalesce(u.subject = p_subject or u.subjects @> array[p_subject], false)
         and coalesce((select audit.told(c.content, u.at) from agreement.contract c where c.hash = u.contract), false) $$;

-- Tickets

-- Strict products are read in two transactions: `ask` commits the audit row and hands out a ticket, `take` gives the rows for a ticket that an EARLIER
-- transaction has committed. So no rows can be had in a transaction that is then rolled back together with its audit row.
create table audit.ticket (
  token uuid primary key default gen_random_uuid(),                            -- random: a number would tell how much others read
  use bigint not null,
  tx xid8 not null default pg_current_xact_id(),
  at timestamptz not null default clock_timestamp(),
  agreement smallint not null default substr(session_user::text, 5)::smallint,
  next uuid,                                                                   -- where the page after this one begins
  taken boolean not null default false
);
create index ticket_at on audit.ticket (at);

-- What a ticket was given for. CW011: unknown, another agreement's, of this very transaction, used before, or older than five seconds; which of them is
-- not said.
create function audit.redeem(p_token uuid, out op text, out subject uuid, out subjects uuid[], out fields text, out next uuid)
language plpgsql volatile security definer set search_path = pg_catalog as $$
declare v_use bigint; begin
  update audit.ticket t set taken = true
   where t.token = p_token and not t.taken and t.agreement = substr(session_user::text, 5)::smallint and t.at > clock_timestamp() - interval '5 seconds'
     and t.tx is distinct from pg_current_xact_id_if_assigned()
   returning t.use, t.next into v_use, next;
  if not found then raise exception using errcode = 'CW011', message = 'ticket void'; end if;
  select u.op, u.subject, u.subjects, u.fields into op, subject, subjects, fields from audit.use u where u.id = v_use;
end $$;

-- Public counts

-- What everybody may know: every agreement with its uses counted, those included that the people concerned are never shown.
create table audit.total (agreement smallint primary key references agreement.register (number), uses bigint not null, given bigint not null);
create table audit.horizon (one boolean primary key default true check (one), tx xid8 not null);
insert into audit.horizon (tx) values ('0');

-- Adds up the uses of finished transactions, each once: everything below the oldest transaction still running is finished, and numbers only grow.
create function audit.count_uses() returns bigint language plpgsql security definer set search_path = pg_catalog as $$
declare v_from xid8; v_to xid8; v_counted bigint; begin
  select tx into v_from from audit.horizon for update;
  v_to := pg_snapshot_xmin(pg_current_snapshot());
  with n as (select u.agreement, count(*) as uses, count(*) filter (where u.found > 0) as given from audit.use u where u.tx >= v_from and u.tx < v_to group by u.agreement),
       t as (insert into audit.total as a select agreement, uses, given from n
             on conflict (agreement) do update set uses = a.uses + excluded.uses, given = a.given + excluded.given returning 1)
  select coalesce(sum(uses), 0) into v_counted from n;
  if v_to > v_from then update audit.horizon set tx = v_to; end if;
  return v_counted;
end $$;

-- What time makes worthless: tickets nobody can take any more, and windows of requests that have ended. Run by the keeper every few seconds.
create function audit.tidy() returns void language sql security definer set search_path = pg_catalog as $$
  select audit.count_uses();
  delete from audit.ticket where at < clock_timestamp() - interval '1 minute';
  delete from agreement.allowance where until < clock_timestamp() $$;

create function audit.transparency() returns text stable language sql security definer set search_path = pg_catalog as $$
  select json_build_object(
    'department', (select json_build_object('name', name, 'displayName', display_name, 'contact', contact) from agreement.department),
    'agreements', coalesce((select json_agg(json_build_object(
       'agreement', r.name, 'number', r.number, 'inForce', r.in_force, 'product', r.spec #> '{product,name}', 'consumer', r.spec #> '{consumer,department}',
       'purposes', r.spec -> 'purposes', 'fields', r.spec -> 'fields', 'basis', r.spec #> '{basis,type}', 'condition', r.spec #> '{basis,condition}',
       'legalPower', r.spec #> '{basis,legalPower}', 'validity', r.spec -> 'validity',
       'visibility', coalesce(r.spec #>> '{transparency,visibility}', 'Immediate'), 'delayDays', r.spec #> '{transparency,delayDays}',
       'reason', r.spec #> '{transparency,reason}', 'uses', coalesce(t.uses, 0), 'given', coalesce(t.given, 0)) order by r.number)
      from agreement.register r left join audit.total t on t.agreement = r.number where r.product is not null), '[]'),
    'erasures', coalesce((select json_agg(json_build_object('product', p.name, 'erased', e.erased, 'awaitedAtSource', e.awaited) order by p.name)
      from (select product, count(*) as erased, count(*) filter (where at_source is null) as awaited from consent.erased group by product) e
      join agreement.product p on p.uid = e.product), '[]'))::text $$;

-- Seals: once a second the keeper puts every row that has become visible since the last seal under a Merkle root, chained and signed with a key that
-- the database never holds. A row belongs to the first seal in whose snapshot its transaction is visible, so no order of commits slips past.

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

-- What the public and the department's auditors are shown of the seals. All of it can be checked without asking the department again.

-- For everybody: the chain of seals.
create function audit.seals(p_after bigint, p_most int) returns text stable language sql security definer set search_path = pg_catalog as $$
  select json_build_object('items', coalesce(json_agg(json_build_object('n', s.n, 'jws', s.jws) order by s.n), '[]'),
                           'next', case when count(*) = p_most then max(s.n)::text end)::text
  from (select n, jws from audit.seal where n > p_after order by n limit p_most) s $$;

-- One seal with its entries, for a proof.
create function audit.sealed(p_n bigint) returns text stable language sql security definer set search_path = pg_catalog as $$
  select json_build_object('jws', jws, 'entries', translate(encode(entries, 'base64'), E'\n', ''))::text from audit.seal where n = p_n $$;

-- For the department's auditors (its registrars): seals, entries, rows as they are now, terms. Lines of JSON from a cursor on; the last line is `more`
-- with the next cursor, or `end`. A row is looked for where the kept snapshots put it, so one that was put in later shows up too.
create function audit.export(p_client text, p_n bigint, p_kind text, p_after bigint, p_most int) returns text
stable language plpgsql security definer set search_path = pg_catalog as $$
declare s audit.seal; v_from pg_snapshot; v_lines text[] := '{}'; v_part text; v_count int; v_last bigint; v_room int := p_most; begin
  perform registrar.checked(p_client);
  while v_room > 0 loop
    select * into s from audit.seal where n >= p_n order by n limit 1;
    if not found then return array_to_string(v_lines || audit.export_end(), E'\n') || E'\n'; end if;
    v_from := coalesce((select x.snapshot from audit.seal x where x.n < s.n order by x.n desc limit 1), '1:1:'::pg_snapshot);
    if p_kind = 'seal' then
      v_lines := v_lines || json_build_object('kind', 'seal', 'n', s.n, 'snapshot', s.snapshot::text, 'jws', s.jws,
                                              'entries', translate(encode(s.entries, 'base64'), E'\n', ''))::text;
      p_kind := 'use'; p_after := -1; v_room := v_room - 4;
    elsif p_kind = 'use' then
      select string_agg(json_build_object('kind', 'use', 'text', convert_from(audit.use_bytes(x.u), 'UTF8'))::text, E'\n' order by (x.u).id), count(*), max((x.u).id)
        into v_part, v_count, v_last
        from (select w as u from audit.uses_between(v_from, s.snapshot) w where w.id > p_after order by w.id limit greatest(v_room, 1)) x;
      v_lines := v_lines || v_part;
      if v_count = greatest(v_room, 1) then p_after := v_last; else p_kind := 'event'; p_after := -1; end if;
      v_room := v_room - v_count;
    else
      select string_agg(json_build_object('kind', 'event', 'text', convert_from(audit.event_bytes(x.e), 'UTF8'))::text, E'\n' order by (x.e).seq), count(*), max((x.e).seq)
        into v_part, v_count, v_last
        from (select w as e from audit.events_between(v_from, s.snapshot) w where w.seq > p_after order by w.seq limit greatest(v_room, 1)) x;
      v_lines := v_lines || v_part;
      if v_count = greatest(v_room, 1) then p_after := v_last; else p_n := s.n + 1; p_kind := 'seal'; p_after := -1; end if;
      v_room := v_room - v_count;
    end if;
  end loop;
  return array_to_string(v_lines || json_build_object('kind', 'more', 'after', p_n || '.' || p_kind || '.' || p_after)::text, E'\n') || E'\n';
end $$;

-- The end of an export: every contract, and what no seal covers yet.
create function audit.export_end() returns text[] stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_from pg_snapshot := coalesce((select snapshot from audit.seal order by n desc limit 1), '1:1:'::pg_snapshot); v_now pg_snapshot := pg_current_snapshot(); begin
  return (select coalesce(array_agg(json_build_object('kind', 'contract', 'hash', c.hash, 'content', c.content)::text order by c.number, c.at), '{}')
          from agreement.contract c)
         || json_build_object('kind', 'end', 'uses', (select count(*) from audit.uses_between(v_from, v_now)),
                              'events', (select count(*) from audit.events_between(v_from, v_now)))::text;
end $$;

-- Owners and rights

do $$ declare t text; begin
  foreach t in array array['use', 'ticket', 'total', 'horizon', 'seal'] loop execute 'alter table audit.' || t || ' owner to cw_owner'; end loop;
  foreach t in array array['told(jsonb, timestamptz)', 'veiled(text, uuid)', 'veiled(text, uuid[])', 'use_bytes(audit.use)', 'event_bytes(consent.event)',
                           'entry(audit.use)', 'entry(consent.event)', 'uses_between(pg_snapshot, pg_snapshot)', 'events_between(pg_snapshot, pg_snapshot)',
                           'sealed_in(xid8)'] loop
    execute 'alter function audit.' || t || ' owner to cw_owner';
    execute 'revoke all on function audit.' || t || ' from public';
    execute 'grant execute on function audit.' || t || ' to cw_clerk';
    if t not like 'told%' then execute 'grant execute on function audit.' || t || ' to cw_keeper'; end if;
  end loop;
  foreach t in array array['redeem(uuid)', 'count_uses()', 'tidy()'] loop
    execute 'alter function audit.' || t || ' owner to cw_keeper';
    execute 'revoke all on function audit.' || t || ' from public';
  end loop;
  foreach t in array array['shown_to(uuid, audit.use)', 'transparency()', 'seals(bigint, int)', 'sealed(bigint)', 'export(text, bigint, text, bigint, int)',
                           'export_end()'] loop
    execute 'alter function audit.' || t || ' owner to cw_clerk';
    execute 'revoke all on function audit.' || t || ' from public';
  end loop;
end $$;
grant usage on schema audit to cw_keeper, cw_clerk, api;
grant select on audit.use, audit.seal to cw_keeper, cw_clerk;
grant select, update, delete on audit.ticket to cw_keeper;
grant select, insert, update on audit.total, audit.horizon to cw_keeper;
grant select on audit.total to cw_clerk;
grant execute on function audit.transparency(), audit.seals(bigint, int), audit.sealed(bigint), audit.export(text, bigint, text, bigint, int) to api;
grant execute on function audit.sealed(bigint) to person;
