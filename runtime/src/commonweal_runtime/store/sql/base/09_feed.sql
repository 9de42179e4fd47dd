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
-- planner would read all of it for each entry, hence the setting, here and in `feed.take`.
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

-- Taking what other sites tell. The keeper calls these; `silent` alone is called by doors.
-- CW470: the page is not of that site.  CW471: its list begins anew.  CW472: the page does not continue where the last one ended.

-- The kind that says here what `p_kind` said there; null: nothing is left to change.
create function feed.fitting(p_kind text, p_subject uuid, p_number smallint) returns text stable language sql security definer set search_path = pg_catalog as $$
  select case when feed.slot(p_kind) = 'objection' then case when coalesce(s.objected, false) <> (p_kind = 'Objected') then p_kind end
              when feed.opens(p_kind) then case when consent.follows(s.consent, 'Renewed') then 'Renewed' else 'Given' end
              when consent.follows(s.consent, 'Withdrawn') then case when p_kind = 'Revoked' then p_kind else 'Withdrawn' end
              when consent.follows(s.consent, 'Refused') then 'Refused' end
  from (select 1) one left join consent.state s on s.subject = p_subject and s.agreement = p_number $$;

-- Whether the agreement that an entry was said to is still in force at the site where it was said. A site's own entries come home after a loss.
create function feed.stands_there(f feed.entry, p_here smallint) returns boolean stable language sql security definer set search_path = pg_catalog as $$
  select exists (select from feed.peer p where p.name = f.origin and p.epoch = f.epoch and p.agreements ->> f.agreement = f.incarnation::text)
      or exists (select from feed.self s where s.site = f.origin and f.incarnation = p_here) $$;

-- Takes a delegation or an erasure over; an erasure waits for its product.
create function feed.carry(f feed.entry) returns boolean language plpgsql security definer set search_path = pg_catalog as $$
declare v_delegation bigint; v_erasure bigint; begin
  if f.kind = 'Delegation' then
    perform consent.carry_delegation(f.detail);
    select seq into v_delegation from consent.delegation where delegation = (f.detail ->> 'delegation')::uuid and event = f.detail ->> 'event';
  elsif exists (select from agreement.product where name = f.product) then
    perform consent.carry_erasure(f.detail);
    select x.seq into v_erasure from consent.erased x join agreement.product p on p.uid = x.product where p.name = f.product and x.subject = f.subject;
  else return false;
  end if;
  if exists (select from feed.entry where delegation = v_delegation or erasure = v_erasure) then    -- it was made here, too
    v_delegation := null; v_erasure := null;
  end if;
  update feed.entry set held = true, waiting = false, delegation = v_delegation, erasure = v_erasure where seq = f.seq;
  return true;
end $$;

-- Makes an entry part of this site, if it can be and if it is the newest about its thing; else it waits or is passed over. The caller holds the person's lock and has numbered all.
create function feed.apply(f feed.entry) returns boolean language plpgsql security definer set search_path = pg_catalog as $$
declare r agreement.register; v_newest timestamptz; v_kind text; v_event bigint; v_held boolean; begin
  if f.kind in ('Delegation', 'Erasure') then return feed.carry(f); end if;
  if not feed.travels(f.kind) then return false; end if;
  select g.* into r from agreement.register g join agreement.product p on p.uid = g.product where g.name = f.agreement and p.name = f.product
  order by g.in_force desc, g.number desc limit 1;
  if not found then return false; end if;
  if feed.slot(f.kind) = 'consent' and feed.opens(f.kind) and not (
       r.in_force and coalesce(feed.shown(r.contract) = f.shown, false)
       and feed.stands_there(f, r.number)) then
    return false;                                        -- said to other terms, or to an agreement that its own site no longer has
  end if;
  v_newest := feed.newest(f.subject, f.agreement, f.product, feed.slot(f.kind), true);
  v_held := v_newest is null or v_newest < f.stamp or (v_newest = f.stamp and not feed.opens(f.kind));
  v_kind := case when v_held then feed.fitting(f.kind, f.subject, r.number) end;
  if v_kind is not null then
    insert into consent.event (subject, agreement, kind, contract, indicated_by, valid_until)
    values (f.subject, r.number, v_kind, coalesce(r.contract, '-'), f.indicated_by, f.valid_until) returning seq into v_event;
  end if;
  update feed.entry set event = v_event, held = v_held, waiting = false where seq = f.seq;
  return v_event is not null;
end $$;

-- Locks people in the one order that everybody keeps, then gives numbers to all that was said before.
create function feed.hold(p_subjects uuid[]) returns void language plpgsql security definer set search_path = pg_catalog as $$ begin
  perform pg_advisory_xact_lock(1, b) from (select distinct consent.bucket(s) as b from unnest(p_subjects) s order by 1) o;
  while feed.number(1000) = 1000 loop null; end loop;
end $$;

-- Takes a page that was asked for at `p_asked` (this database's clock): all of it or, when anything is wrong with it, nothing.
create function feed.take(p_peer text, p_after bigint, p_asked timestamptz, p_page text, out taken int, out applied int)
language plpgsql security definer set search_path = pg_catalog set enable_seqscan = off as $$
declare me feed.self; peer feed.peer; d jsonb := p_page; e jsonb; f feed.entry; v_seq bigint; begin
  taken := 0; applied := 0;
  perform feed.hold(array(select (x ->> 'subject')::uuid from jsonb_array_elements(d -> 'entries') x));
  select * into strict me from feed.self;
  select * into peer from feed.peer where name = p_peer for update;
  if not found or d ->> 'site' <> p_peer then raise exception using errcode = 'CW470', message = 'a page of another site'; end if;
  if peer.epoch::text is distinct from d ->> 'epoch' then
    if p_after <> 0 then raise exception using errcode = 'CW471', message = 'the list begins anew'; end if;
  elsif p_after <> peer.taken then raise exception using errcode = 'CW472', message = 'the page does not follow the last one'; end if;
  if peer.epoch::text is distinct from d ->> 'epoch' or peer.agreements is distinct from d -> 'agreements' then
    update feed.peer set epoch = (d ->> 'epoch')::uuid, agreements = d -> 'agreements' where name = p_peer;
  end if;
  select coalesce(max(seq), 0) into v_seq from feed.entry;
  for e in select x from jsonb_array_elements(d -> 'entries') with ordinality o(x, n) order by n loop
    taken := taken + 1;
    if (e ->> 'seq')::bigint is distinct from p_after + taken then raise exception using errcode = 'CW472', message = 'a number is missing'; end if;
    continue when e ->> 'origin' = me.site and e ->> 'epoch' = me.epoch::text;
    insert into feed.entry (seq, origin, epoch, number, kind, subject, agreement, product, incarnation, shown, at, stamp, valid_until, indicated_by, detail, held,
                            waiting)
    values (v_seq + 1, e ->> 'origin', (e ->> 'epoch')::uuid, (e ->> 'number')::bigint, e ->> 'kind', (e ->> 'subject')::uuid, e ->> 'agreement', e ->> 'product',
            (e ->> 'incarnation')::int, e ->> 'shown', (e ->> 'at')::timestamptz, (e ->> 'stamp')::timestamptz, (e ->> 'until')::timestamptz, e ->> 'by', nullif(e -> 'detail', 'null'), false, true)
    on conflict (origin, epoch, number) do nothing returning * into f;
    if f.seq is not null then
      v_seq := f.seq;
      applied := applied + feed.apply(f)::int;
    end if;
  end loop;
  if taken > 0 or peer.epoch::text is distinct from d ->> 'epoch' then
    update feed.peer set taken = p_after + take.taken, seen = coalesce((d #>> array['entries', '-1', 'stamp'])::timestamptz, seen) where name = p_peer;
  end if;
  if not (d ->> 'more')::boolean then perform feed.hear(p_peer, p_asked); end if;
end $$;

-- A site that was read to its end is as fresh as the moment it was asked. Not written more often than matters.
create function feed.hear(p_peer text, p_asked timestamptz) returns void language sql security definer set search_path = pg_catalog as $$
  insert into feed.heard as h (name, at) values (p_peer, p_asked)
  on conflict (name) do update set at = excluded.at where h.at + (select stale_after / 20 from feed.peer p where p.name = h.name) <= excluded.at $$;

-- What waited, now that an agreement is there or has other terms; at most `p_most` entries. Returns how many were applied.
create function feed.settle(p_most int) returns int language plpgsql security definer set search_path = pg_catalog as $$
declare v_due bigint[]; f feed.entry; n int := 0; begin
  v_due := array(select e.seq from feed.entry e where e.waiting and (e.kind = 'Erasure' and exists (select from agreement.product where name = e.product) or exists (
    select from agreement.register r join agreement.product p on p.uid = r.product where r.name = e.agreement and p.name = e.product
      and (feed.slot(e.kind) <> 'consent' or not feed.opens(e.kind) or (r.in_force and feed.shown(r.contract) = e.shown and feed.stands_there(e, r.number))))) order by e.stamp limit p_most);
  if v_due = '{}' then return 0; end if;
  perform feed.hold(array(select subject from feed.entry where seq = any (v_due)));
  for f in select * from feed.entry where seq = any (v_due) and waiting order by stamp loop n := n + feed.apply(f)::int; end loop;
  return n;
end $$;

-- Whether any other site has not been heard of for too long, by this database's clock. Then doors of agreements by consent refuse (CW008).
create function feed.silent() returns boolean stable language sql security definer set search_path = pg_catalog as $$
  select exists (select from feed.peer p left join feed.heard h using (name) where coalesce(h.at + p.stale_after <= clock_timestamp(), true)) $$;

-- The sites as the plan names them; none: nothing is served, taken or waited for. Changes nothing when nothing changed.
create function feed.arrange(p_site text, p_peers jsonb, p_stale_after interval) returns void language plpgsql security definer set search_path = pg_catalog as $$ begin
  insert into feed.self as s (site, serving) values (p_site, p_peers <> '[]')
  on conflict (one) do update set site = excluded.site, serving = excluded.serving where (s.site, s.serving) is distinct from (excluded.site, excluded.serving);
  delete from feed.heard where name not in (select x ->> 'name' from jsonb_array_elements(p_peers) x);
  delete from feed.peer where name not in (select x ->> 'name' from jsonb_array_elements(p_peers) x);
  insert into feed.peer as p (name, url, stale_after) select x ->> 'name', x ->> 'url', p_stale_after from jsonb_array_elements(p_peers) x
  on conflict (name) do update set url = excluded.url, stale_after = excluded.stale_after where (p.url, p.stale_after) is distinct from (excluded.url, excluded.stale_after);
end $$;

-- Owners and rights

do $$ declare t text; begin
  foreach t in array array['table feed.self', 'table feed.peer', 'table feed.heard', 'table feed.entry', 'view feed.act', 'function feed.doubt()',
                           'function feed.travels(text)', 'function feed.opens(text)', 'function feed.slot(text)'] loop
    execute 'alter ' || t || ' owner to cw_owner';
  end loop;
  foreach t in array array['shown(text)', 'newest(uuid, text, text, text, boolean)', 'name(feed.self, feed.act, bigint)', 'number(int)',
                           'page(text, bigint, text, int)', 'site()', 'fitting(text, uuid, smallint)', 'stands_there(feed.entry, smallint)', 'carry(feed.entry)',
                           'apply(feed.entry)', 'hold(uuid[])', 'take(text, bigint, timestamptz, text)', 'hear(text, timestamptz)', 'settle(int)', 'silent()',
                           'arrange(text, jsonb, interval)'] loop
    execute 'alter function feed.' || t || ' owner to cw_keeper';
    execute 'revoke all on function feed.' || t || ' from public';
  end loop;
end $$;
grant select, insert, update, delete on feed.self, feed.peer, feed.heard, feed.entry to cw_keeper;
grant select on feed.act to cw_keeper;
grant execute on function feed.page(text, bigint, text, int), feed.site() to feed;
-- `silent` is one boolean about the department's own link. Every door may ask; it says nothing of any person.
grant usage on schema feed to cw_keeper, feed, public;
grant execute on function feed.silent() to public;
