-- What a person may call, through the role `person`: functions only. The data API has checked the token; who the person is, is its claim.
-- `p_actor` is who is signed in, `p_subject` whom it is about. They differ only under a delegation that covers the act.
-- CW400 a value that cannot be, CW403 no delegation covers it, CW404 no such thing, CW409 the basis or the state leaves nothing to decide. Messages name
-- fields, states and agreements, never a person.
create schema person authorization cw_owner;

-- The agreement of that name: the one in force, else the last one, for people may withdraw from and object to what is closed for now.
create function person.agreement_of(p_name text, p_in_force boolean) returns agreement.register
stable language plpgsql security definer set search_path = pg_catalog as $$
declare r agreement.register; begin
  select * into r from agreement.register where name = p_name and product is not null and (in_force or not p_in_force) order by in_force desc, number desc limit 1;
  if not found then raise exception using errcode = 'CW404', message = 'no agreement of that name is in force'; end if;
  return r;
end $$;

-- One agreement as a person is shown it, with what they said about it.
create function person.shown(p_subject uuid, r agreement.register) returns json stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
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

-- CW409 names what stands in the way: a product whose source alone can erase, or agreements in force on a basis that leaves no erasure.
create function person.erase(p_actor uuid, p_subject uuid, p_product text) returns text language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
declare p agreement.product; v_base text; v_names text; v_rows bigint; begin
  if p_actor is distinct from p_subject then raise exception using errcode = 'CW403', message = 'only the person has records erased'; end if;
  select * into p from agreement.product where name = p_product;
  if not found then raise exception using errcode = 'CW404', message = 'no such product'; end if;
  v_base := split_part(p.uid, '@', 1);
  if p.spec #>> '{rights,erasure}' is distinct from 'Supported' then
    raise exception using errcode = 'CW409', message = 'records of this product are erased at their source: ask its owner';
  end if;
  select string_agg(r.name, ', ' order by r.name) into v_names from agreement.register r left join agreement.rights g on g.basis = r.spec #>> '{basis,type}'
   where r.in_force and split_part(r.product, '@', 1) = v_base and (r.spec #>> '{validity,until}')::timestamptz > clock_timestamp()
     and coalesce(g.erasure, 'None') <> 'OnRequest';
  if v_names is not null then raise exception using errcode = 'CW409', message = 'these agreements rest on a basis without erasure: ' || v_names; end if;
  perform set_config('synchronous_commit', 'on', true);
  v_rows := consent.erase(p_subject, v_base, 'subject');
  return (select json_build_object('product', p_product, 'state', 'Erased', 'erased', v_rows, 'at', e.at, 'atSource', case when e.at_source is null then 'Awaited' else 'Done' end)
          from consent.erased e where e.product = v_base and e.subject = p_subject)::text;
end $$;

-- Everything held about the person. `portableFields`: what they may take elsewhere, for it is used under a basis with portability.
create function person.export(p_actor uuid, p_subject uuid) returns text stable language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$ begin
  perform consent.indicated(p_actor, p_subject, 'Export', null, null);
  return json_build_object(
    'subject', p_subject, 'at', statement_timestamp(),
    'department', (select json_build_object('name', name, 'displayName', display_name, 'contact', contact) from agreement.department),
    'products', (select coalesce(json_agg(json_build_object('product', p.name, 'title', p.spec -> 'title', 'version', p.spec -> 'version', 'owner', p.spec -> 'owner',
        'records', consent.records_of(p_subject, p.uid), 'erased', exists (select from consent.erased e where e.product = split_part(p.uid, '@', 1) and e.subject = p_subject),
        'portableFields', (select coalesce(jsonb_agg(distinct f order by f), '[]') from agreement.register r join agreement.rights g on g.basis = r.spec #>> '{basis,type}',
                           jsonb_array_elements(r.spec -> 'fields') f where r.product = p.uid and r.in_force and g.portability)) order by p.name), '[]') from agreement.product p),
    'agreements', (select coalesce(json_agg(person.shown(p_subject, c)), '[]') from person.concerned(p_subject) c),
    'events', (select coalesce(json_agg(json_build_object('at', e.at, 'agreement', r.name, 'kind', e.kind, 'indicatedBy', e.indicated_by, 'until', e.valid_until,
                                                          'contract', e.contract) order by e.seq), '[]')
               from consent.event e join agreement.register r on r.number = e.agreement where e.subject = p_subject),
    'delegations', (select coalesce(json_agg(consent.shown_delegation(d.delegation) order by d.seq), '[]') from consent.delegations d where p_subject in (d.subject, d.delegate)),
    'uses', (select coalesce(json_agg(i.item order by i.id desc), '[]') from person.use_items(p_subject, null, 9223372036854775807, 10000) i))::text;
end $$;

-- Evidence: what of the seals concerns the person. It can be checked without asking the department again.

-- A use: the row's bytes, and the seal that it is under (null: not sealed yet). CW404: no such use or event, or none that is shown to them.
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

-- Owners and rights

do $$ declare t text; begin
  foreach t in array array['agreement_of(text, boolean)', 'shown(uuid, agreement.register)', 'concerned(uuid)', 'use_items(uuid, text[], bigint, int)',
                           'receipted(consent.event)'] loop
    execute 'alter function person.' || t || ' owner to cw_clerk';
    execute 'revoke all on function person.' || t || ' from public';
  end loop;
  foreach t in array array['consents(uuid, uuid)', 'give(uuid, uuid, text, text)', 'object(uuid, uuid, text, boolean)', 'uses(uuid, uuid, bigint, int)',
                           'delegations(uuid, uuid)', 'delegate(uuid, uuid, uuid, text, text, text, timestamptz, timestamptz)', 'end_delegation(uuid, uuid, uuid)',
                           'erase(uuid, uuid, text)', 'export(uuid, uuid)', 'use_evidence(uuid, uuid, bigint)', 'event_evidence(uuid, uuid, bigint)',
                           'receipts(uuid, uuid, bigint, int)', 'newest(uuid, uuid, text)'] loop
    execute 'alter function person.' || t || ' owner to cw_clerk';
    execute 'revoke all on function person.' || t || ' from public';
    execute 'grant execute on function person.' || t || ' to person';
  end loop;
end $$;
grant usage on schema person to cw_clerk, person;
