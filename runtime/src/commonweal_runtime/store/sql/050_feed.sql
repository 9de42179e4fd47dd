-- Consent feed: what a person said at one site of the department holds at all of them.
--
-- Every site numbers, without gaps, what it knows: what was said here, and what other sites told it. Another site reads that list from the number where it
-- stopped. An entry has one name for ever (origin, epoch, number), so it is taken once by whichever way it comes, and comes home without effect.
--
-- Which of two entries about the same thing holds is decided by `stamp` alone, everywhere alike, so sites agree whatever the order of arrival:
-- the time by its origin's clock; for an entry that closes, `doubt` more, so that of two said at nearly the same time no wins;
-- and always later than everything about the same thing that its origin knew, so that a yes after a known no holds however soon it comes.
create schema feed authorization cw_owner;

create table feed.self (
  one boolean primary key default true check (one),
  site text not null,
  serving boolean not null default true,                 -- the department has other sites
  epoch uuid not null default gen_random_uuid(),         -- another one when this store has lost what it had told others (a restored backup)
  -- What was said before the department had other sites is numbered first, in its own order: `history` is the event reached, null when all is.
  -- What came since is found by transaction: all of an earlier one than `done` is numbered (or history).
  history bigint default 0,
  done xid8 not null default pg_snapshot_xmin(pg_current_snapshot())
);
create table feed.peer (
  name text primary key,
  url text not null,
  stale_after interval not null,                         -- unheard for so long, agreements by consent close
  epoch uuid, taken bigint not null default 0, seen timestamptz,   -- how far its list was read, and the stamp read last
  agreements jsonb not null default '{}'                 -- its agreements in force, name to number there
);
-- Written each twentieth of `stale_after` and not in the write-ahead log: a crash forgets it, and what is not known to be fresh is stale.
create unlogged table feed.heard (name text primary key, at timestamptz not null);

create table feed.entry (
  seq bigint primary key,                                -- this site's number, gap-free
  origin text not null, epoch uuid not null, number bigint not null,
  kind text not null, subject uuid not null,
  agreement text not null, product text not null,        -- by name: numbers and uids differ from site to site; empty where there is none
  incarnation int not null,                              -- the agreement's number at the origin
  shown text,                                            -- hash of what the person was shown, alike at every site
  at timestamptz not null, stamp timestamptz not null, valid_until timestamptz, indicated_by text not null, detail jsonb,
  held boolean not null,                                 -- said here, or taken over: not one that waits or that a newer one had overtaken
  waiting boolean not null default false,                -- for an agreement of that name, or for one with these terms
  event bigint references consent.event (seq),           -- what it is, or became, in this site's own record; null: nothing was left to change
  delegation bigint, erasure bigint,                     -- likewise: consent.delegation, consent.erased
  unique (origin, epoch, number)
);
create unique index entry_event on feed.entry (event) where event is not null;
create unique index entry_delegation on feed.entry (delegation) where delegation is not null;
create unique index entry_erasure on feed.entry (erasure) where erasure is not null;
create index delegation_tx on consent.delegation (tx);   -- as 020 does for consent.event
create index erased_tx on consent.erased (tx);
create index entry_about on feed.entry (subject, agreement, product, stamp);
create index entry_waiting on feed.entry (agreement, product) where waiting;

create function feed.doubt() returns interval immutable language sql as $$ select interval '5 seconds' $$;
-- What a site concludes by itself (Expired, Invalidated) and what decides nothing (Requested, ...) stays where it is.
create function feed.travels(kind text) returns boolean immutable language sql as $$
  select kind in ('Given', 'Renewed', 'Refused', 'Withdrawn', 'Revoked', 'Objected', 'ObjectionLifted') $$;
create function feed.opens(kind text) returns boolean immutable language sql as $$ select kind in ('Given', 'Renewed', 'ObjectionLifted') $$;
create function feed.slot(kind text) returns text immutable language sql as $$ select case when kind in ('Objected', 'ObjectionLifted') then 'objection' else 'consent' end $$;

-- These are plpgsql for the sake of plans that are kept: they run once an entry.
create function feed.shown(p_contract text) returns text stable language plpgsql security definer set search_path = pg_catalog as $$ begin
  return (select encode(sha256(convert_to(jsonb_build_object('product', content -> 'product', 'consumer', content -> 'consumer', 'fields', content -> 'definitions',
                                                             'purposes', content -> 'purposes')::text, 'UTF8')), 'hex')
          from agreement.contract where hash = p_contract);
end $$;

-- The newest stamp about one thing; `p_held` leaves out entries that wait or were overtaken.
create function feed.newest(p_subject uuid, p_agreement text, p_product text, p_slot text, p_held boolean) returns timestamptz
stable language plpgsql security definer set search_path = pg_catalog as $$ begin
  return (select max(stamp) from feed.entry where subject = p_subject and agreement = p_agreement and product = p_product and feed.slot(kind) = p_slot
                                              and (held or not p_held));
end $$;

-- What happened here and has no number yet. A delegation and an erasure are taken as they are: nothing contradicts them.
create view feed.act as
  select e.tx, e.seq as event, null::bigint as delegation, null::bigint as erasure, e.kind, e.subject, r.name as agreement,
         coalesce(c.content ->> 'product', r.spec #>> '{product,name}', '') as product, e.agreement::int as incarnation, e.contract, e.at, e.valid_until, e.indicated_by,
         null::jsonb as detail
  from consent.event e join agreement.register r on r.number = e.agreement left join agreement.contract c on c.hash = e.contract
  where feed.travels(e.kind) and not exists (select from feed.entry f where f.event = e.seq)
  union all
  select d.tx, null, d.seq, null, 'Delegation', d.subject, '', '', 0, null, d.at, null, d.made_by, to_jsonb(d) - 'seq' - 'tx' - 'at'
  from consent.delegation d where not exists (select from feed.entry f where f.delegation = d.seq)
  union all
  select x.tx, null, null, x.seq, 'Erasure', x.subject, '', p.name, 0, null, x.at, null, x.indicated_by,
         jsonb_build_object('product', p.name, 'subject', x.subject, 'indicated_by', x.indicated_by)
  from consent.erased x join agreement.product p on p.uid = x.product where not exists (select from feed.entry f where f.erasure = x.seq);

-- Numbers one act of this site's. Whoever calls holds the numbers' lock.
create function feed.name(me feed.self, a feed.act, p_seq bigint) returns void language plpgsql security definer set search_path = pg_catalog as $$ begin
  insert into feed.entry (seq, origin, epoch, number, kind, subject, agreement, product, incarnation, shown, at, stamp, valid_until, indicated_by, detail, held,
                          event, delegation, erasure)
  select p_seq, me.site, me.epoch, p_seq, a.kind, a.subject, a.agreement, a.product, a.incarnation, feed.shown(a.contract), a.at,
         case when a.event is null then a.at
              else greatest(a.at + case when feed.opens(a.kind) then interval '0' else feed.doubt() end,
                            feed.newest(a.subject, a.agreement, a.product, feed.slot(a.kind), false) + interval '1 microsecond') end,
         a.valid_until, a.indicated_by, a.detail, true, a.event, a.delegation, a.erasure;
end $$;

-- Numbers at most `p_most` acts; returns how many, or `p_most` while there may be more. A first exchange fills an empty table: until it has been analysed the
-- planner would read all of it for each entry, hence the setting, here and in 051.
create function feed.number(p_most int) returns int language plpgsql security definer set search_path = pg_catalog set enable_seqscan = off as $$
declare me feed.self; v_oldest xid8; a feed.act; v_seq bigint; v_upto bigint; v_count int := 0; begin
  perform pg_advisory_xact_lock(58, 0);
  perform set_config('synchronous_commit', 'on', true);  -- a number that was told is never given again
  select * into me from feed.self;
  v_oldest := pg_snapshot_xmin(pg_current_snapshot());   -- before the reading: every transaction before it has ended and is seen
  select coalesce(max(seq), 0) into v_seq from feed.entry;
  if me.history is not null then
    select max(seq) into v_upto from (select seq from consent.event where seq > me.history and tx < me.done order by seq limit p_most) e;
    for a in select * from feed.act where event > me.history and event <= v_upto and tx < me.done order by event loop
      v_count := v_count + 1;
      perform feed.name(me, a, v_seq + v_count);
    end loop;
    update feed.self set history = v_upto;
    if v_upto is not null then return p_most; end if;
    for a in select * from feed.act where event is null and tx < me.done order by delegation, erasure loop
      v_count := v_count + 1;
      perform feed.name(me, a, v_seq + v_count);
    end loop;
  end if;
  for a in select * from feed.act where tx >= me.done order by event is null, event, delegation, erasure limit greatest(p_most - v_count, 0) loop
    v_count := v_count + 1;
    perform feed.name(me, a, v_seq + v_count);
  end loop;
  if v_count < p_most then
    update feed.self set done = v_oldest where done < v_oldest and (
      exists (select from consent.event where tx >= me.done and tx < v_oldest) or exists (select from consent.delegation where tx >= me.done and tx < v_oldest)
      or exists (select from consent.erased where tx >= me.done and tx < v_oldest));
  end if;
  return least(v_count, p_most);
end $$;

-- A page of the list. A caller that names another stamp for the entry it read last has read what this store no longer knows: a new epoch then begins,
-- the caller reads all of it again, and this store learns from its callers what it had lost. Null: the department has no other sites.
create function feed.page(p_epoch text, p_after bigint, p_seen text, p_most int) returns text
language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
declare me feed.self; v_numbered int; v_last bigint; v_answer text; begin
  v_numbered := feed.number(p_most);
  select * into me from feed.self where serving;
  if not found then return null; end if;
  if p_epoch = me.epoch::text and p_after > 0 and not exists (select from feed.entry where seq = p_after and stamp = p_seen::timestamptz) then
    -- what was told after the loss bears numbers that others know for something else, so all of this site's own entries get new names
    update feed.self set epoch = gen_random_uuid() returning * into me;
    update feed.entry set epoch = me.epoch where origin = me.site and epoch = p_epoch::uuid;
    update feed.peer set taken = 0, epoch = null, seen = null;       -- others still hold what was lost: read them again, too
    delete from feed.heard;
  end if;
  select coalesce(max(seq), 0) into v_last from feed.entry;
  select json_build_object(
    'site', me.site, 'epoch', me.epoch, 'now', clock_timestamp(), 'more', v_numbered = p_most or p_after + p_most < v_last,
    'agreements', (select coalesce(json_object_agg(name, number), '{}') from agreement.register where in_force),
    'entries', coalesce((select json_agg(json_build_object(
      'seq', seq, 'origin', origin, 'epoch', epoch, 'number', number, 'kind', kind, 'subject', subject, 'agreement', agreement, 'product', product,
      'incarnation', incarnation, 'shown', shown, 'at', at, 'stamp', stamp, 'until', valid_until, 'by', indicated_by, 'detail', detail) order by seq)
      from feed.entry where seq > p_after and seq <= p_after + p_most), '[]'))::text into v_answer;
  return v_answer;
end $$;

-- This site's name, which a question must carry; null: the department has no other sites.
create function feed.site() returns text stable language sql security definer set search_path = pg_catalog as $$ select site from feed.self where serving $$;

do $$ declare t text; begin
  foreach t in array array['table feed.self', 'table feed.peer', 'table feed.heard', 'table feed.entry', 'view feed.act', 'function feed.doubt()', 'function feed.travels(text)', 'function feed.opens(text)',
                           'function feed.slot(text)'] loop
    execute 'alter ' || t || ' owner to cw_owner';
  end loop;
  foreach t in array array['shown(text)', 'newest(uuid, text, text, text, boolean)', 'name(feed.self, feed.act, bigint)', 'number(int)', 'page(text, bigint, text, int)', 'site()'] loop
    execute 'alter function feed.' || t || ' owner to cw_keeper';
    execute 'revoke all on function feed.' || t || ' from public';
  end loop;
  if not exists (select from pg_roles where rolname = 'feed') then create role feed login; end if;
  execute format('grant connect on database %I to feed', current_database());
end $$;
alter role feed nosuperuser nocreatedb nocreaterole noinherit noreplication nobypassrls connection limit 8;
grant usage on schema feed to cw_keeper, feed;
grant select, insert, update, delete on feed.self, feed.peer, feed.heard, feed.entry to cw_keeper;
grant select on feed.act to cw_keeper;
grant execute on function pg_current_snapshot(), pg_snapshot_xmin(pg_snapshot) to cw_keeper;
grant execute on function feed.page(text, bigint, text, int), feed.site() to feed;
