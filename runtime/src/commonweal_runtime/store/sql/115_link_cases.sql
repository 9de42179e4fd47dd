-- What becomes of a link: its end, a dispute, the cases that registrars decide, what the keeper counts and forgets, and what people take along.

-- Ends the link of whoever asks; what has ended stays so. The issuer is told by whoever calls.
create function matching.leave(p_asking uuid) returns text language plpgsql security definer set search_path = pg_catalog as $$
declare s record; begin
  perform pg_advisory_xact_lock(112, consent.bucket(p_asking));
  select * into s from matching.state_of(p_asking);
  if s.subject is not null then perform consent.lock_person(s.subject); select * into s from matching.state_of(p_asking); end if;
  if s.state = 'Frozen' then raise exception using errcode = 'CW016', message = 'the link is disputed'; end if;
  if exists (select from matching.link l where l.subject = p_asking and l.state = 'Ended') then return '{"state": "Unlinked"}'; end if;
  if s.subject is null then raise exception using errcode = 'CW409', message = 'this sign-in is linked to no record here'; end if;
  -- whoever the platform vouches for could not come back where nobody can link
  if (select m is null from matching.offered()) and not exists (select from matching.link l where l.subject = s.subject) then
    raise exception using errcode = 'CW409', message = 'this department does not let people link their sign-in, so a link that the platform made is not ended here';
  end if;
  update matching.referral set state = 'Closed', told = null, decided_at = clock_timestamp() where asking = p_asking and state = 'Approved';
  if s.state = 'Linked' or exists (select from matching.link l where l.subject = s.subject and l.asking = p_asking and l.state = 'Linked') then
    insert into consent.event (subject, kind, contract, indicated_by)
    values (s.subject, 'LinkEnded', '-', case when s.subject = p_asking then 'subject' else 'Account:' || p_asking end);
  end if;
  return '{"state": "Unlinked"}';
end $$;

-- Freezes the link at once, and lets a registrar know why.
create function matching.dispute(p_asking uuid, p_text text) returns text language plpgsql security definer set search_path = pg_catalog as $$
declare s record; r matching.referral; begin
  perform pg_advisory_xact_lock(112, consent.bucket(p_asking));
  select * into s from matching.state_of(p_asking);
  if s.subject is null then raise exception using errcode = 'CW409', message = 'this sign-in is linked to no record here'; end if;
  perform consent.lock_person(s.subject);
  if not exists (select from matching.link l where l.subject = s.subject and l.state = 'Frozen') then
    insert into consent.event (subject, kind, contract, indicated_by)
    values (s.subject, 'LinkDisputed', '-', case when s.subject = p_asking then 'subject' else 'Account:' || p_asking end);
  end if;
  update matching.referral set told = jsonb_build_object('text', p_text), last_at = clock_timestamp() where asking = s.subject and reason = 'Disputed' and state = 'Open'
  returning * into r;
  return json_build_object('state', 'Frozen', 'reference', matching.reference_of(r))::text;
end $$;

create function registrar.referrals(p_client text, p_before timestamptz, p_most int) returns text stable language plpgsql security definer
set search_path = pg_catalog set timezone = 'UTC' as $$ begin
  perform registrar.checked(p_client);
  return (select json_build_object('items', coalesce(json_agg(json_build_object(
      'id', r.id, 'reference', matching.reference_of(r), 'reason', r.reason, 'since', r.at, 'lastTried', r.last_at, 'attempts', r.attempts,
      'told', r.told, 'subjects', r.subjects) order by r.at desc), '[]'), 'next', case when count(*) = p_most then min(r.at) end)
    from (select * from matching.referral where state = 'Open' and at < p_before order by at desc limit p_most) r)::text;
end $$;

-- Link (with the record), Refuse, End (the link of the record in dispute, or of the one that is named), Unfreeze. Each is an event of the record, or of who
-- asked where there is none, indicated by the registrar.
create function registrar.decide(p_client text, p_id uuid, p_decision text, p_subject uuid) returns text language plpgsql security definer set search_path = pg_catalog as $$
declare v_by text := registrar.checked(p_client); r matching.referral; v_of uuid; v_state text; begin
  select * into r from matching.referral where id = p_id;
  if not found then raise exception using errcode = 'CW404', message = 'no such case'; end if;
  perform pg_advisory_xact_lock(112, consent.bucket(r.asking));
  v_of := coalesce(p_subject, r.subject);
  perform consent.lock_person(coalesce(v_of, r.asking));
  select * into r from matching.referral where id = p_id for update;
  if r.state <> 'Open' then raise exception using errcode = 'CW409', message = 'the case has been decided already'; end if;
  if p_decision in ('Unfreeze', 'Link', 'Refuse') and (r.reason = 'Disputed') <> (p_decision = 'Unfreeze') then
    raise exception using errcode = 'CW400', message = 'decision: of a dispute write Unfreeze or End; of any other case Link, Refuse or End.';
  elsif p_decision in ('Link', 'End') and (v_of is null or not (matching.known(v_of) or exists (select from matching.link where subject = v_of))) then
    raise exception using errcode = 'CW400', message = 'subject: give the id of a record of this department.';
  elsif p_decision = 'Link' and matching.taken(r.asking, v_of) then
    raise exception using errcode = 'CW409', message = 'the record is linked to another sign-in; end that link first';
  elsif p_decision = 'End' and not exists (select from matching.link l where l.subject = v_of and l.state <> 'Ended') then
    raise exception using errcode = 'CW409', message = 'the record has no link to end';
  end if;
  insert into consent.event (subject, kind, contract, indicated_by)
  values (case when p_decision = 'Refuse' then r.asking else v_of end,
          case p_decision when 'Link' then 'LinkApproved' when 'Refuse' then 'LinkRefused' when 'End' then 'LinkEnded' else 'LinkUnfrozen' end, '-', v_by);
  v_state := case p_decision when 'Link' then 'Approved' when 'Refuse' then 'Refused' when 'End' then 'Ended' else 'Unfrozen' end;
  if p_decision = 'End' and r.reason <> 'Disputed' then v_state := 'Open'; end if;   -- who waits for the record still waits
  update matching.referral set state = v_state, subject = case when p_decision = 'Refuse' or v_state = 'Open' then null else v_of end,
    told = case when v_state = 'Open' then told end, decided_at = clock_timestamp(), decided_by = v_by where id = p_id;
  if p_decision = 'End' then
    update matching.referral set state = 'Ended', told = null, decided_at = clock_timestamp(), decided_by = v_by
     where reason = 'Disputed' and state = 'Open' and subject = v_of;
  end if;
  return json_build_object('id', p_id, 'state', v_state, 'decision', p_decision)::text;
end $$;

-- For the keeper: what waits, and what time makes worthless.
create function matching.waiting(out open bigint, out frozen bigint) stable language sql security definer set search_path = pg_catalog as $$
  select (select count(*) from matching.referral where state = 'Open' and reason <> 'Disputed'), (select count(*) from matching.link where state = 'Frozen')
   where exists (select from agreement.department where matching is not null) $$;
create function matching.tidy() returns void language sql security definer set search_path = pg_catalog as $$
  delete from matching.attempt where at < clock_timestamp() - interval '1 day';
  delete from matching.ticket where at < clock_timestamp() - interval '1 day';
  update matching.referral set told = null where told is not null and at < clock_timestamp() - interval '30 days' $$;

-- What a person takes along has their links as well; the number of each is that of its proof under /me/receipts. Whatever else there is in it stays as it is.
alter function person.export(uuid, uuid) rename to exported;
create function person.export(p_actor uuid, p_subject uuid) returns text stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
  select (person.exported(p_actor, p_subject)::jsonb || jsonb_build_object('links', coalesce((
    select jsonb_agg(jsonb_build_object('event', e.seq::text, 'at', e.at, 'kind', e.kind, 'indicatedBy', e.indicated_by) order by e.seq)
      from consent.event e where e.kind like 'Link%' and e.subject = any (consent.names_of(p_subject))), '[]')))::text $$;

do $$ declare t text; begin
  foreach t in array array['registrar.referrals(text, timestamptz, int)', 'registrar.decide(text, uuid, text, uuid)', 'matching.leave(uuid)', 'matching.dispute(uuid, text)', 'matching.waiting()',
                           'matching.tidy()'] loop
    execute 'alter function ' || t || ' owner to cw_keeper';
    execute 'revoke all on function ' || t || ' from public';
    if t ~ 'leave|dispute' then execute 'grant execute on function ' || t || ' to person'; end if;
    if t like 'registrar.%' then execute 'grant execute on function ' || t || ' to api'; end if;
  end loop;
end $$;
alter function person.export(uuid, uuid) owner to cw_clerk;
revoke all on function person.export(uuid, uuid) from public;
revoke all on function person.exported(uuid, uuid) from person;
grant execute on function person.export(uuid, uuid) to person;
grant usage on schema registrar to cw_keeper;
grant execute on function registrar.checked(text) to cw_keeper;
