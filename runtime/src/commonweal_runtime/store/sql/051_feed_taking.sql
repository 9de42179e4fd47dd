-- Taking what other sites tell. The keeper calls these; `silent` alone is called by doors.
--
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

do $$ declare t text; begin
  foreach t in array array['fitting(text, uuid, smallint)', 'stands_there(feed.entry, smallint)', 'carry(feed.entry)', 'apply(feed.entry)', 'hold(uuid[])', 'take(text, bigint, timestamptz, text)', 'hear(text, timestamptz)', 'settle(int)', 'silent()',
                           'arrange(text, jsonb, interval)'] loop
    execute 'alter function feed.' || t || ' owner to cw_keeper';
    execute 'revoke all on function feed.' || t || ' from public';
  end loop;
end $$;
-- One boolean about the department's own link. Every door may ask; it says nothing of any person.
grant usage on schema feed to public;
grant execute on function feed.silent() to public;
grant execute on function consent.carry_delegation(jsonb), consent.carry_erasure(jsonb) to cw_keeper;
