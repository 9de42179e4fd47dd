-- What a person may call, through the role `person`: functions only. The data API has checked the token; who the person is, is its claim.
-- CW404: no such agreement. CW409: the agreement's basis leaves nothing to decide.
-- The agreement of that name: the one in force, else the last one, for people may withdraw from and object to what is closed for now.
create function person.agreement_of(p_name text, p_in_force boolean) returns agreement.register
stable language plpgsql security definer set search_path = pg_catalog as $$
declare r agreement.register; begin
  select * into r from agreement.register where name = p_name and product is not null and (in_force or not p_in_force) order by in_force desc, number desc limit 1;
  if not found then raise exception using errcode = 'CW404', message = 'no agreement of that name is in force'; end if;
  return r;
end $$;

-- One agreement as a person is shown it, with what they said about it.
create function person.shown(p_subject uuid, r agreement.register) returns json stable language sql security definer set search_path = pg_catalog as $$
  select json_build_object(
    'agreement', r.name, 'inForce', r.in_force, 'product', r.spec #>> '{product,name}', 'consumer', r.spec #>> '{consumer,department}', 'purposes', r.spec -> 'purposes',
    'fields', r.spec -> 'fields', 'basis', r.spec #>> '{basis,type}', 'legalPower', r.spec #>> '{basis,legalPower}',
    'until', r.spec #>> '{validity,until}', 'objection', r.spec #>> '{subjects,objection}',
    'consent', case when r.spec #>> '{basis,type}' <> 'Consent' then json_build_object('state', 'NotNeeded')
                    else json_build_object('state', case when s.given and s.valid_until <= clock_timestamp() then 'Expired'
                                                         when s.consent = 'Renewed' then 'Given' else coalesce(s.consent, 'NotGiven') end,
                                           'since', s.consent_at, 'until', s.valid_until) end,
    'objected', case when r.spec #>> '{subjects,objection}' <> 'Honoured' then json_build_object('state', 'NotApplicable')
                     else json_build_object('state', case when s.objected then 'Objected' else 'None' end,
                                            'since', case when s.objected then s.objected_at end) end)
  from (select 1) one left join consent.state s on s.subject = p_subject and s.agreement = r.number $$;

create function person.consents(p_subject uuid) returns text stable language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
declare items json[] := '{}'; r agreement.register; concerns boolean; begin
  for r in select * from agreement.register g where in_force or exists (
             select from consent.state s where s.subject = p_subject and s.agreement = g.number and (s.given or s.objected)) order by name, number loop
    continue when not exists (select from agreement.product where uid = r.product);
    execute format('select exists (select from product.%I where subject = $1) or exists (select from consent.state where subject = $1 and agreement = $2)',
                   (select relation from agreement.product where uid = r.product)) into concerns using p_subject, r.number;
    if concerns then items := items || person.shown(p_subject, r); end if;
  end loop;
  return json_build_object('items', array_to_json(items))::text;
end $$;

create function person.give(p_subject uuid, p_name text, p_given boolean) returns text
language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
declare r agreement.register := person.agreement_of(p_name, p_given); s consent.state; kind text; begin
  if r.spec #>> '{basis,type}' is distinct from 'Consent' then raise exception using errcode = 'CW409', message = 'consent is not the basis'; end if;
  perform consent.lock_person(p_subject);
  select * into s from consent.state where subject = p_subject and agreement = r.number;
  kind := case when p_given then case when s.given then 'Renewed' else 'Given' end
               when s.given then 'Withdrawn' when s.consent is null then 'Refused' end;   -- null: said before, nothing to add
  if kind is not null then
    insert into consent.event (subject, agreement, kind, contract, valid_until)
    values (p_subject, r.number, kind, r.contract,
            case when p_given then clock_timestamp() + make_interval(days => (r.spec #>> '{subjects,consentValidityDays}')::int) end);
  end if;
  return person.shown(p_subject, r)::text;
end $$;

create function person.object(p_subject uuid, p_name text, p_objected boolean) returns text
language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
declare r agreement.register := person.agreement_of(p_name, false); was boolean; begin
  if r.spec #>> '{subjects,objection}' is distinct from 'Honoured' then raise exception using errcode = 'CW409', message = 'no objection under this basis'; end if;
  perform consent.lock_person(p_subject);
  select objected into was from consent.state where subject = p_subject and agreement = r.number;
  if coalesce(was, false) <> p_objected then
    insert into consent.event (subject, agreement, kind, contract)
    values (p_subject, r.number, case when p_objected then 'Objected' else 'ObjectionLifted' end, r.contract);
  end if;
  return person.shown(p_subject, r)::text;
end $$;

-- Newest first; `p_before` is the `next` of the page before.
create function person.uses(p_subject uuid, p_before bigint, p_most int) returns text
stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
  with u as (
    (select * from audit.use where subject = p_subject and id < p_before order by id desc limit p_most)
    union all
    (select * from audit.use where subjects @> array[p_subject] and subjects is not null and id < p_before order by id desc limit p_most)
  ), page as (select * from u order by id desc limit p_most)
  select json_build_object(
    'items', coalesce(json_agg(json_build_object(
      'at', p.at, 'client', p.client, 'agreement', c.content ->> 'name', 'product', c.content ->> 'product', 'consumer', c.content ->> 'consumer',
      'purpose', coalesce((select x from jsonb_array_elements(c.content -> 'purposes') x where x ->> 'key' = p.purpose), jsonb_build_object('key', p.purpose)),
      'basis', c.content ->> 'basis', 'legalPower', c.content ->> 'legalPower',
      'fields', coalesce(to_jsonb(string_to_array(p.fields, ',')), c.content -> 'fields'), 'given', p.found > 0) order by p.id desc), '[]'),
    'next', case when count(*) = p_most then min(p.id)::text end)::text
  from page p join agreement.contract c on c.hash = p.contract $$;

do $$ declare t text; begin
  foreach t in array array['agreement_of(text, boolean)', 'shown(uuid, agreement.register)', 'consents(uuid)', 'give(uuid, text, boolean)', 'object(uuid, text, boolean)',
                           'uses(uuid, bigint, int)'] loop
    execute 'alter function person.' || t || ' owner to cw_clerk';
    execute 'revoke all on function person.' || t || ' from public';
  end loop;
end $$;
grant usage on schema consent, audit, product, person to cw_clerk;
grant select on audit.use, consent.state to cw_clerk;
grant insert (subject, agreement, kind, contract, valid_until) on consent.event to cw_clerk;
grant execute on function consent.lock_person(uuid) to cw_clerk;
grant usage on schema person to person;
grant execute on function person.consents(uuid), person.give(uuid, text, boolean), person.object(uuid, text, boolean), person.uses(uuid, bigint, int) to person;
