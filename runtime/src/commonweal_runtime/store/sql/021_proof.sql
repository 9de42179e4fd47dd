-- What people, the public and the department's auditors are shown of the seals. All of it can be checked without asking the department again.

-- A person's evidence: the row's bytes, and the seal that it is under (null: not sealed yet). CW404: no such use or event, or none that is shown to them.
create function person.use_evidence(p_actor uuid, p_subject uuid, p_id bigint) returns text
stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_sight text[] := consent.sight(p_actor, p_subject); u audit.use; begin
  select * into u from audit.use where id = p_id and (subject = p_subject or p_subject = any (subjects));
  if not found or not audit.shown_to(p_subject, u)
     or v_sight is not null and not exists (select from agreement.register r where r.number = u.agreement and r.name = any (v_sight)) then
    raise exception using errcode = 'CW404', message = 'no such use';
  end if;
  return json_build_object('kind', 'use', 'number', u.id, 'row', convert_from(audit.use_bytes(u), 'UTF8'), 'seal', audit.sealed_in(u.tx))::text;
end $$;

create function person.event_evidence(p_actor uuid, p_subject uuid, p_seq bigint) returns text
stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_sight text[] := consent.sight(p_actor, p_subject); e consent.event; begin
  select * into e from consent.event where seq = p_seq and subject = p_subject;
  if not found or v_sight is not null and not exists (select from agreement.register r where r.number = e.agreement and r.name = any (v_sight)) then
    raise exception using errcode = 'CW404', message = 'no such event';
  end if;
  return json_build_object('kind', 'event', 'number', e.seq, 'row', convert_from(audit.event_bytes(e), 'UTF8'), 'seal', audit.sealed_in(e.tx))::text;
end $$;

-- All that a receipt is made from, and only what never changes: the event, its bytes in the person's chain, and the terms of its contract.
create function person.receipted(e consent.event) returns json stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
  select json_build_object(
    'seq', e.seq, 'at', e.at, 'kind', e.kind, 'subject', e.subject, 'indicatedBy', e.indicated_by, 'until', e.valid_until, 'contract', e.contract,
    'agreement', e.agreement, 'text', convert_from(consent.event_bytes(e), 'UTF8'), 'before', encode(e.prev, 'hex'), 'hash', encode(e.hash, 'hex'),
    'terms', (select c.content from agreement.contract c where c.hash = e.contract)) $$;

create function person.receipts(p_actor uuid, p_subject uuid, p_before bigint, p_most int) returns text
stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_sight text[] := consent.sight(p_actor, p_subject); begin
  return (select json_build_object('items', coalesce(json_agg(person.receipted(p.e) order by (p.e).seq desc), '[]'),
                                   'next', case when count(*) = p_most then min((p.e).seq)::text end)::text
          from (select x as e from consent.event x join agreement.register r on r.number = x.agreement
                where x.subject = p_subject and x.seq < p_before and (v_sight is null or r.name = any (v_sight)) order by x.seq desc limit p_most) p);
end $$;

-- The newest event of one agreement: the person's own, or the one that `p_actor` has indicated for them. Volatile, so that it sees the event of the very
-- statement that it stands in.
create function person.newest(p_actor uuid, p_subject uuid, p_agreement text) returns text
volatile language plpgsql security definer set search_path = pg_catalog as $$
declare e consent.event; begin
  select x.* into e from consent.event x join agreement.register r on r.number = x.agreement
   where x.subject = p_subject and r.name = p_agreement and (p_actor = p_subject or split_part(x.indicated_by, ':', 2) = p_actor::text)
   order by x.seq desc limit 1;
  return case when found then person.receipted(e)::text end;
end $$;

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

do $$ declare f text; begin
  foreach f in array array['person.use_evidence(uuid, uuid, bigint)', 'person.event_evidence(uuid, uuid, bigint)', 'person.receipted(consent.event)',
                           'person.receipts(uuid, uuid, bigint, int)', 'person.newest(uuid, uuid, text)'] loop
    execute 'alter function ' || f || ' owner to cw_clerk';
    execute 'revoke all on function ' || f || ' from public';
    if f not like '%receipted%' then execute 'grant execute on function ' || f || ' to person'; end if;
  end loop;
  foreach f in array array['audit.seals(bigint, int)', 'audit.sealed(bigint)', 'audit.export(text, bigint, text, bigint, int)', 'audit.export_end()'] loop
    execute 'alter function ' || f || ' owner to cw_clerk';
    execute 'revoke all on function ' || f || ' from public';
    if f not like '%export_end%' then execute 'grant execute on function ' || f || ' to api'; end if;
  end loop;
end $$;
grant usage on schema audit to api;
grant execute on function audit.sealed(bigint) to person;
