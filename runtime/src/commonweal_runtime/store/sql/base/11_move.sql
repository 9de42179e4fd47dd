-- A department that moves to another site: the store itself knows whether it is the department's authority, and refuses what it may not do.
--
-- No row in `standing`: it is. Frozen: people's words are taken, uses are not, until a lease runs out. Gone: another site is; nothing is taken. Arrived:
-- a copy that is not the authority yet: words, no uses. The triggers are off while there is no row, so that a read pays nothing for them.
-- CW013: moving, try again.  CW014: moved; the message is where to.
create schema move authorization cw_owner;

create table move.standing (
  one boolean primary key default true check (one),
  id text not null,                              -- of the move
  state text not null check (state in ('Frozen', 'Gone', 'Arrived')),
  until timestamptz not null default 'infinity',
  url text not null default '',
  at timestamptz not null default clock_timestamp()
);
-- Objects have other uids at another site; here each stands for the one that this store has known it by.
create table move.identity (here text primary key, known text not null);
-- What was handed out when the site before this one had been erased.
create table move.certificate (id text primary key, content jsonb not null, at timestamptz not null default clock_timestamp());

create function move.away() returns boolean volatile language sql security definer set search_path = pg_catalog as $$
  select exists (select from move.standing where clock_timestamp() < until) $$;

-- Volatile: after a wait for a lock it sees what was committed meanwhile.
create function move.no_use() returns trigger volatile language plpgsql security definer set search_path = pg_catalog as $$
declare s move.standing; begin
  select * into s from move.standing where clock_timestamp() < until;
  if s.state = 'Gone' then raise exception using errcode = 'CW014', message = s.url; end if;
  if found then raise exception using errcode = 'CW013', message = 'the department is moving'; end if;
  return null;
end $$;

create function move.no_word() returns trigger volatile language plpgsql security definer set search_path = pg_catalog as $$
declare s move.standing; begin
  select * into s from move.standing where state = 'Gone';
  if found then raise exception using errcode = 'CW014', message = s.url; end if;
  return null;
end $$;

create trigger a_away before insert on audit.use          for each statement execute function move.no_use();
create trigger a_away before insert on consent.event      for each statement execute function move.no_word();
create trigger a_away before insert on consent.delegation for each statement execute function move.no_word();
create trigger a_away before insert on consent.erased     for each statement execute function move.no_word();
create trigger a_away before insert or delete on link.entry for each statement execute function move.no_use();
alter table audit.use          disable trigger a_away;
alter table link.entry         disable trigger a_away;
alter table consent.event      disable trigger a_away;
alter table consent.delegation disable trigger a_away;
alter table consent.erased     disable trigger a_away;

-- Everything below is called by the mover, as superuser.

-- Freezes, or goes on being frozen: with `p_begin` anew, else only while the lease has not run out. False: it is not this move's to freeze.
create function move.freeze(p_id text, p_seconds int, p_begin boolean) returns boolean language plpgsql set search_path = pg_catalog as $$
declare s move.standing; begin
  select * into s from move.standing for update;
  if not found then
    if not p_begin then return false; end if;
    insert into move.standing (id, state, until) values (p_id, 'Frozen', clock_timestamp() + make_interval(secs => p_seconds));
    alter table link.entry enable trigger a_away;
    alter table audit.use enable trigger a_away;          -- waits for the reads under way
    update move.standing set until = clock_timestamp() + make_interval(secs => p_seconds);
    return true;
  end if;
  if s.state <> 'Frozen' or (s.until <= clock_timestamp() or s.id <> p_id) and not p_begin or s.id <> p_id and s.until > clock_timestamp() then return false; end if;
  update move.standing set id = p_id, until = clock_timestamp() + make_interval(secs => p_seconds);
  return true;
end $$;

-- Serves again, unless it has gone.
create function move.thaw(p_id text) returns boolean language plpgsql set search_path = pg_catalog as $$ begin
  delete from move.standing where id = p_id and state = 'Frozen';
  if exists (select from move.standing) then return false; end if;
  alter table audit.use disable trigger a_away;
  alter table link.entry disable trigger a_away;
  return true;
end $$;

-- How far the words, and the uses, have come.
create function move.reached(out events bigint, out delegations bigint, out erased bigint, out uses bigint) language sql set search_path = pg_catalog as $$
  select (select coalesce(max(seq), 0) from consent.event), (select coalesce(max(seq), 0) from consent.delegation), (select coalesce(max(seq), 0) from consent.erased),
         (select coalesce(max(id), 0) from audit.use) $$;

-- What was said after that.
create function move.words(p_after jsonb) returns jsonb language sql set search_path = pg_catalog set timezone = 'UTC' as $$
  select jsonb_build_object(
    'events', coalesce((select jsonb_agg(to_jsonb(e) order by e.seq) from consent.event e where e.seq > (p_after ->> 'events')::bigint), '[]'),
    'delegations', coalesce((select jsonb_agg(to_jsonb(d) order by d.seq) from consent.delegation d where d.seq > (p_after ->> 'delegations')::bigint), '[]'),
    'erased', coalesce((select jsonb_agg(to_jsonb(x) order by x.seq) from consent.erased x where x.seq > (p_after ->> 'erased')::bigint), '[]'),
    'reached', to_jsonb(move.reached())) $$;

-- Takes words as they were said: same number, time and hash, so that receipts hold; state and rows follow from them by the usual triggers. A second
-- time changes nothing. Where somebody has already said something here, what comes is numbered anew after it. Returns how many were new.
create function move.take(p_words jsonb) returns bigint language plpgsql set search_path = pg_catalog set timezone = 'UTC' as $$
declare e consent.event; v_had bytea; v_prev bytea; v_new bigint := 0; x jsonb; begin
  if not exists (select from move.standing where state = 'Arrived') then raise exception 'this store has not arrived'; end if;
  perform pg_advisory_xact_lock(1, b) from (select distinct consent.bucket((w ->> 'subject')::uuid) as b
    from jsonb_array_elements(p_words -> 'events') w order by 1) buckets;
  for e in select * from jsonb_populate_recordset(null::consent.event, p_words -> 'events') order by seq loop
    select hash into v_had from consent.event where seq = e.seq;
    continue when found and v_had = e.hash;
    select hash into v_prev from consent.event where subject = e.subject order by seq desc limit 1;
    v_new := v_new + 1;
    if v_had is null and v_prev is not distinct from e.prev and e.hash = sha256(coalesce(e.prev, ''::bytea) || consent.event_bytes(e)) then
      e.tx := pg_current_xact_id();
      alter table consent.event disable trigger a_chain;
      insert into consent.event select (e).*;
      alter table consent.event enable trigger a_chain;
      perform setval('consent.event_seq', greatest(e.seq, (select last_value from consent.event_seq)));
    else
      insert into consent.event (subject, agreement, kind, contract, indicated_by, valid_until)
      values (e.subject, e.agreement, e.kind, e.contract, e.indicated_by, e.valid_until);
    end if;
  end loop;
  for x in select * from jsonb_array_elements(p_words -> 'delegations') loop perform consent.carry_delegation(x); end loop;
  for x in select * from jsonb_array_elements(p_words -> 'erased') loop
    perform consent.erase_rows((x ->> 'subject')::uuid, x ->> 'product', x ->> 'indicated_by');
  end loop;
  return v_new + jsonb_array_length(p_words -> 'delegations') + jsonb_array_length(p_words -> 'erased');
end $$;

-- The switch, in one transaction. Gone: it is done, or was. More: something was said that has not been carried. Lapsed: uses may have been served since the copy.
create function move.leave(p_id text, p_reached jsonb, p_url text) returns text language plpgsql set search_path = pg_catalog as $$
declare s move.standing; v_now record; begin
  lock table audit.use, consent.event, consent.delegation, consent.erased in share row exclusive mode;
  select * into s from move.standing for update;
  if s.state = 'Gone' and s.id = p_id then return 'Gone'; end if;
  select * into v_now from move.reached();
  if s.state is distinct from 'Frozen' or s.id <> p_id or s.until <= clock_timestamp() or v_now.uses <> (p_reached ->> 'uses')::bigint then return 'Lapsed'; end if;
  if (v_now.events, v_now.delegations, v_now.erased)
     is distinct from ((p_reached ->> 'events')::bigint, (p_reached ->> 'delegations')::bigint, (p_reached ->> 'erased')::bigint) then return 'More'; end if;
  update move.standing set state = 'Gone', until = 'infinity', url = p_url, at = clock_timestamp();
  alter table consent.event      enable trigger a_away;
  alter table consent.delegation enable trigger a_away;
  alter table consent.erased     enable trigger a_away;
  return 'Gone';
end $$;

-- The copy of a frozen store, before it is used: closed until it is opened. `p_identities` maps uids of this site to those of the one before.
create function move.arrive(p_id text, p_identities jsonb) returns void language plpgsql set search_path = pg_catalog as $$ begin
  if not exists (select from move.standing where id = p_id and state = 'Frozen') then raise exception 'the copy is not of a frozen store'; end if;
  create temporary table before on commit drop as select * from move.identity;
  delete from move.identity;
  insert into move.identity (here, known)
  select i.key, coalesce(b.known, i.value) from jsonb_each_text(p_identities) i left join pg_temp.before b on b.here = i.value;
  update move.standing set state = 'Arrived', until = 'infinity', at = clock_timestamp();
end $$;

-- The new site serves. Doing it again changes nothing.
create function move.open(p_id text) returns boolean language plpgsql set search_path = pg_catalog as $$ begin
  delete from move.standing where id = p_id and state = 'Arrived';
  if exists (select from move.standing) then return false; end if;
  alter table audit.use disable trigger a_away;
  alter table link.entry disable trigger a_away;
  return true;
end $$;

do $$ declare t text; begin
  foreach t in array array['table move.standing', 'table move.identity', 'table move.certificate'] loop execute 'alter ' || t || ' owner to cw_owner'; end loop;
  foreach t in array array['away()', 'no_use()', 'no_word()'] loop execute 'alter function move.' || t || ' owner to cw_keeper'; end loop;
end $$;
revoke all on all functions in schema move from public;
grant usage on schema move to cw_keeper;
grant select on move.standing to cw_keeper;
