-- What a party has revoked at one site of a department is revoked at all of them: each page of the feed carries the nonces whose terms have not ended yet.

create or replace function feed.page(p_epoch text, p_after bigint, p_seen text, p_most int) returns text
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
    'ended', (select coalesce(json_agg(json_build_object('nonce', nonce, 'until', nullif(until, 'infinity')) order by nonce), '[]')
              from agreement.nonce where why = 'Revoked' and until > clock_timestamp()),
    'entries', coalesce((select json_agg(json_build_object(
      'seq', seq, 'origin', origin, 'epoch', epoch, 'number', number, 'kind', kind, 'subject', subject, 'agreement', agreement, 'product', product,
      'incarnation', incarnation, 'shown', shown, 'at', at, 'stamp', stamp, 'until', valid_until, 'by', indicated_by, 'detail', detail) order by seq)
      from feed.entry where seq > p_after and seq <= p_after + p_most), '[]'))::text into v_answer;
  return v_answer;
end $$;

create or replace function feed.take(p_peer text, p_after bigint, p_asked timestamptz, p_page text, out taken int, out applied int)
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
  perform agreement.end_nonce(x ->> 'nonce', (x ->> 'until')::timestamptz, 'Revoked') from jsonb_array_elements(coalesce(d -> 'ended', '[]')) x
  where not exists (select from agreement.nonce n where n.nonce = x ->> 'nonce' and n.ended_at is not null);
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
