-- What a person may call, again: `p_actor` is who is signed in, `p_subject` whom it is about. They differ only under a delegation that covers the act.
-- CW400 a value that cannot be, CW403 no delegation covers it, CW404 no such thing, CW409 the basis or the state leaves nothing to decide. Messages name
-- fields, states and agreements, never a person.
drop function person.consents(uuid), person.give(uuid, text, boolean), person.object(uuid, text, boolean), person.uses(uuid, bigint, int);

-- Whether a use is shown to the people it was about: at once, after some days, or never, as the terms in force at the time say.
create function audit.told(p_content jsonb, p_at timestamptz) returns boolean stable language sql as $$
  select case coalesce(p_content #>> '{transparency,visibility}', 'Immediate') when 'Immediate' then true
    when 'Delayed' then coalesce(p_at + make_interval(days => (p_content #>> '{transparency,delayDays}')::int) <= statement_timestamp(), false)
    else false end $$;
create function audit.shown_to(p_subject uuid, u audit.use) returns boolean stable language sql security definer set search_path = pg_catalog as $$
  select coalesce(u.subject = p_subject or u.subjects @> array[p_subject], false)
         and coalesce((select audit.told(c.content, u.at) from agreement.contract c where c.hash = u.contract), false) $$;

create or replace function person.shown(p_subject uuid, r agreement.register) returns json stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
  select json_build_object(
    'agreement', r.name, 'inForce', r.in_force, 'product', r.spec #>> '{product,name}', 'consumer', r.spec #>> '{consumer,department}', 'purposes', r.spec -> 'purposes',
    'fields', r.spec -> 'fields', 'basis', r.spec #>> '{basis,type}', 'condition', r.spec #>> '{basis,condition}', 'legalPower', r.spec #>> '{basis,legalPower}',
    'until', r.spec #>> '{validity,until}', 'objection', r.spec #>> '{subjects,objection}',
    'consent', case when r.spec #>> '{basis,type}' <> 'Consent' then json_build_object('state', 'NotNeeded')
                    else json_build_object('state', case when s.given and s.valid_until <= clock_timestamp() then 'Expired'
                                                         when s.consent = 'Renewed' then 'Given' else coalesce(s.consent, 'NotGiven') end,
                                           'since', s.consent_at, 'until', s.valid_until) end,
    'objected', case when r.spec #>> '{subjects,objection}' <> 'Honoured' then json_build_object('state', 'NotApplicable')
                     else json_build_object('state', case when s.objected then 'Objected' else 'None' end,
                                            'since', case when s.objected then s.objected_at end) end,
    'delegates', coalesce(r.spec #> '{subjects,delegation}', '[]'), 'limits', r.spec -> 'limits', 'visibility', r.spec -> 'transparency',
    'owner', p.spec -> 'owner')
  from (select 1) one left join consent.state s on s.subject = p_subject and s.agreement = r.number left join agreement.product p on p.uid = r.product $$;

-- The agreements that concern a person: on a product that has a row of theirs, or about which they said something that still holds.
create function person.concerned(p_subject uuid) returns setof agreement.register stable language plpgsql security definer set search_path = pg_catalog as $$
declare r agreement.register; v_relation text; v_held boolean; begin
  for r in select * from agreement.register g where in_force or exists (
             select from consent.state s where s.subject = p_subject and s.agreement = g.number and (s.given or s.objected)) order by name, number loop
    select relation into v_relation from agreement.product where uid = r.product;
    continue when not found;
    execute format('select exists (select from product.%I where subject = $1) or exists (select from consent.state where subject = $1 and agreement = $2)', v_relation)
      into v_held using p_subject, r.number;
    if v_held then return next r; end if;
  end loop;
end $$;

create function person.consents(p_actor uuid, p_subject uuid) returns text stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_names text[] := consent.sight(p_actor, p_subject); begin
  return json_build_object('items', (select coalesce(json_agg(person.shown(p_subject, c)), '[]') from person.concerned(p_subject) c
                                     where v_names is null or c.name = any (v_names)))::text;
end $$;

-- What the person says becomes the event that fits what they said before. A no is always taken: to what was given it is a withdrawal.
create function person.give(p_actor uuid, p_subject uuid, p_name text, p_state text) returns text language plpgsql security definer set search_path = pg_catalog as $$
declare r agreement.register; s consent.state; v_by text; v_kind text; begin
  if p_state is null or p_state not in ('Given', 'Withdrawn', 'Refused', 'RequestDeferred') then
    raise exception using errcode = 'CW400', message = 'state: write Given, Withdrawn, Refused or RequestDeferred.';
  end if;
  r := person.agreement_of(p_name, p_state = 'Given');
  perform consent.lock_person(p_subject);
  v_by := consent.indicated(p_actor, p_subject, 'Consent', r.name, r.spec #> '{subjects,delegation}');
  if not coalesce((select g.consent from agreement.rights g where g.basis = r.spec #>> '{basis,type}'), false) then
    raise exception using errcode = 'CW409', message = 'consent is not the basis';
  end if;
  select * into s from consent.state where subject = p_subject and agreement = r.number;
  v_kind := case p_state
    when 'Given' then case when s.given then 'Renewed' else 'Given' end
    when 'RequestDeferred' then case when s.consent is distinct from 'RequestDeferred' then 'RequestDeferred' end
    else case when s.given then 'Withdrawn' when consent.follows(s.consent, 'Refused') then 'Refused' end end;   -- null: said before, nothing to add
  if v_kind is not null then
    insert into consent.event (subject, agreement, kind, contract, indicated_by, valid_until)
    values (p_subject, r.number, v_kind, r.contract, v_by,
            case when p_state = 'Given' then clock_timestamp() + make_interval(days => (r.spec #>> '{subjects,consentValidityDays}')::int) end);
  end if;
  return person.shown(p_subject, r)::text;
end $$;

create function person.object(p_actor uuid, p_subject uuid, p_name text, p_objected boolean) returns text language plpgsql security definer set search_path = pg_catalog as $$
declare r agreement.register := person.agreement_of(p_name, false); v_by text; v_was boolean; begin
  perform consent.lock_person(p_subject);
  v_by := consent.indicated(p_actor, p_subject, 'Object', r.name, r.spec #> '{subjects,delegation}');
  if r.spec #>> '{subjects,objection}' is distinct from 'Honoured' then raise exception using errcode = 'CW409', message = 'no objection under this basis'; end if;
  select objected into v_was from consent.state where subject = p_subject and agreement = r.number;
  if coalesce(v_was, false) <> p_objected then
    insert into consent.event (subject, agreement, kind, contract, indicated_by)
    values (p_subject, r.number, case when p_objected then 'Objected' else 'ObjectionLifted' end, r.contract, v_by);
  end if;
  return person.shown(p_subject, r)::text;
end $$;

-- Newest first; `p_before` is the `next` of the page before. What is not shown is left out before the page is cut, so that its length tells nothing.
create function person.use_items(p_subject uuid, p_names text[], p_before bigint, p_most int) returns table (id bigint, item json)
stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
  with u as (
    (select x as use, c.content from audit.use x join agreement.contract c on c.hash = x.contract
      where x.subject = p_subject and x.id < p_before and audit.told(c.content, x.at) and (p_names is null or c.content ->> 'name' = any (p_names))
      order by x.id desc limit p_most)
    union all
    (select x, c.content from audit.use x join agreement.contract c on c.hash = x.contract
      where x.subjects @> array[p_subject] and x.subjects is not null and x.id < p_before and audit.told(c.content, x.at)
        and (p_names is null or c.content ->> 'name' = any (p_names))
      order by x.id desc limit p_most)
  )
  select (p.use).id, json_build_object(
      'id', (p.use).id::text, 'at', (p.use).at, 'client', (p.use).client, 'agreement', p.content ->> 'name', 'product', p.content ->> 'product',
      'consumer', p.content ->> 'consumer',
      'purpose', coalesce((select x from jsonb_array_elements(p.content -> 'purposes') x where x ->> 'key' = (p.use).purpose), jsonb_build_object('key', (p.use).purpose)),
      'basis', coalesce((p.use).basis, p.content ->> 'basis'), 'legalPower', p.content ->> 'legalPower',
      'fields', coalesce(to_jsonb(string_to_array((p.use).fields, ',')), p.content -> 'fields'), 'given', (p.use).found > 0)
  from u p order by 1 desc limit p_most $$;

create function person.uses(p_actor uuid, p_subject uuid, p_before bigint, p_most int) returns text stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_names text[] := consent.sight(p_actor, p_subject); begin
  return (select json_build_object('items', coalesce(json_agg(i.item order by i.id desc), '[]'), 'next', case when count(*) = p_most then min(i.id)::text end)
          from person.use_items(p_subject, v_names, p_before, p_most) i)::text;
end $$;

-- Those made of the person, and those that let the person act for somebody.
create function person.delegations(p_actor uuid, p_subject uuid) returns text stable language plpgsql security definer set search_path = pg_catalog as $$ begin
  perform consent.indicated(p_actor, p_subject, 'See', null, null);
  return json_build_object('items', coalesce((
    select json_agg(consent.shown_delegation(d.delegation) order by d.seq desc) from consent.delegations d
     where d.subject = p_subject or (d.delegate = p_subject and p_actor = p_subject)), '[]'))::text;
end $$;

create function person.delegate(p_actor uuid, p_subject uuid, p_delegate uuid, p_type text, p_acts text, p_agreements text, p_begins timestamptz, p_ends timestamptz)
returns text language plpgsql security definer set search_path = pg_catalog as $$
declare v_id uuid; begin
  if p_actor is distinct from p_subject then raise exception using errcode = 'CW403', message = 'only the person makes a delegation'; end if;
  if p_type is distinct from 'Attorney' and p_type is distinct from 'Adviser' then
    raise exception using errcode = 'CW400', message = 'type: a person makes Attorney and Adviser; a registrar of the department records Parent.';
  end if;
  v_id := consent.make_delegation(p_subject, p_delegate, p_type, p_acts, p_agreements, p_begins, p_ends, 'subject');
  return consent.shown_delegation(v_id)::text;
end $$;

-- The person ends it, or the delegate gives it back; a parent's is ended by the registrar.
create function person.end_delegation(p_actor uuid, p_subject uuid, p_id uuid) returns text language plpgsql security definer set search_path = pg_catalog as $$
declare d consent.delegation; begin
  select * into d from consent.delegation where delegation = p_id and event = 'Made' and p_actor = p_subject and p_actor in (subject, delegate);
  if not found then raise exception using errcode = 'CW404', message = 'no such delegation'; end if;
  if d.type = 'Parent' then raise exception using errcode = 'CW409', message = 'a registrar of the department ends it'; end if;
  perform consent.finish_delegation(p_id, case when p_actor = d.subject then 'subject' else 'delegate' end);
  return consent.shown_delegation(p_id)::text;
end $$;

do $$ declare t text; begin
  foreach t in array array['concerned(uuid)', 'consents(uuid, uuid)', 'give(uuid, uuid, text, text)', 'object(uuid, uuid, text, boolean)', 'use_items(uuid, text[], bigint, int)',
                           'uses(uuid, uuid, bigint, int)', 'delegations(uuid, uuid)', 'end_delegation(uuid, uuid, uuid)',
                           'delegate(uuid, uuid, uuid, text, text, text, timestamptz, timestamptz)'] loop
    execute 'alter function person.' || t || ' owner to cw_clerk';
    execute 'revoke all on function person.' || t || ' from public';
  end loop;
end $$;
alter function audit.told(jsonb, timestamptz) owner to cw_owner;
alter function audit.shown_to(uuid, audit.use) owner to cw_clerk;
revoke all on function audit.told(jsonb, timestamptz), audit.shown_to(uuid, audit.use) from public;
grant execute on function audit.told(jsonb, timestamptz) to cw_clerk;
grant insert (indicated_by) on consent.event to cw_clerk;
grant execute on function person.consents(uuid, uuid), person.give(uuid, uuid, text, text), person.object(uuid, uuid, text, boolean), person.uses(uuid, uuid, bigint, int),
  person.delegations(uuid, uuid), person.end_delegation(uuid, uuid, uuid), person.delegate(uuid, uuid, uuid, text, text, text, timestamptz, timestamptz) to person;
