-- Whom nobody is known by: the id that stands for nobody is one token's, whichever references bear it. One per reference told, by whether two references with
-- one token had one allowance (`limits.perSubject`, `limits.once`) or two, that somebody is known by it who has withheld everything. Before a link was looked
-- up it is another one, for the id of somebody who is known changes then as well.
create or replace function link.subject(p_reference text) returns text stable language plpgsql security definer set search_path = pg_catalog as $$
declare m agreement.register := link.mine(); e link.entry; b bytea; begin
  select * into e from link.entry x where x.agreement = m.number and x.reference = p_reference;
  select substr(sha256(convert_to(s.value || m.number || ':' || coalesce(e.resolved::text || ':' || encode(e.token, 'hex'), p_reference), 'UTF8')), 1, 16)
    into b from link.secret s;
  return coalesce(e.subject, encode(set_byte(set_byte(b, 6, get_byte(b, 6) & 15 | 128), 8, get_byte(b, 8) & 63 | 128), 'hex')::uuid)::text;
end $$;

-- A site whose clock was ahead has told stamps of the future. They decide nothing: a yes opened what somebody had withdrawn meanwhile at another site, and no
-- later no would have closed it before that time. Whoever meant it says it again; a no from the future closes, as any does.
create function feed.foreseeable() returns timestamptz volatile language sql set search_path = pg_catalog as $$
  select clock_timestamp() + 3 * feed.doubt() $$;              -- the bias of a no, clocks as far apart as is allowed, and once more to spare

create or replace function feed.newest(p_subject uuid, p_agreement text, p_product text, p_slot text, p_held boolean) returns timestamptz
stable language plpgsql security definer set search_path = pg_catalog as $$ begin
  return (select max(stamp) from feed.entry where subject = p_subject and agreement = p_agreement and product = p_product and feed.slot(kind) = p_slot
                                              and (held or not p_held) and stamp <= feed.foreseeable());
end $$;

create or replace function feed.apply(f feed.entry) returns boolean language plpgsql security definer set search_path = pg_catalog as $$
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
  if feed.opens(f.kind) and f.stamp > feed.foreseeable() then v_held := false; end if;
  v_kind := case when v_held then feed.fitting(f.kind, f.subject, r.number) end;
  if v_kind is not null then
    insert into consent.event (subject, agreement, kind, contract, indicated_by, valid_until)
    values (f.subject, r.number, v_kind, coalesce(r.contract, '-'), f.indicated_by, f.valid_until) returning seq into v_event;
  end if;
  update feed.entry set event = v_event, held = v_held, waiting = false where seq = f.seq;
  return v_event is not null;
end $$;

alter function feed.foreseeable() owner to cw_owner;
revoke all on function feed.foreseeable() from public;
grant execute on function feed.foreseeable() to cw_keeper;
