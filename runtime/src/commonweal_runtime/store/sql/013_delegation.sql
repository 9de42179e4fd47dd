-- Who may look and decide for whom: append-only, bounded in time. `agreements` and `acts` are a scope: null is every agreement that lists the type.
create table consent.delegation (
  seq bigint generated always as identity primary key,
  tx xid8 not null default pg_current_xact_id(),
  at timestamptz not null default clock_timestamp(),
  delegation uuid not null,
  event text not null check (event in ('Made', 'Ended')),
  subject uuid not null, delegate uuid not null check (delegate <> subject),
  type text not null check (type in ('Parent', 'Attorney', 'Adviser')),
  agreements text[] check (cardinality(agreements) between 1 and 50),
  acts text[] not null check (cardinality(acts) between 1 and 4 and acts <@ array['See', 'Consent', 'Object', 'Export']),
  begins timestamptz not null,
  ends timestamptz not null check (ends > begins and ends < begins + interval '18 years 1 day'),
  made_by text not null,                         -- 'subject', 'delegate', or the registrar's department/account
  unique (delegation, event)
);
create index delegation_subject on consent.delegation (subject, delegate);
create index delegation_delegate on consent.delegation (delegate);
alter table consent.delegation owner to cw_owner;
create trigger frozen   before update or delete on consent.delegation for each row execute function consent.frozen();
create trigger frozen_t before truncate on consent.delegation for each statement execute function consent.frozen();

-- Every delegation with its end, if it has been ended.
create view consent.delegations as
  select m.*, e.at as ended_at, e.made_by as ended_by, e.at is null and m.begins <= statement_timestamp() and statement_timestamp() < m.ends as in_force
  from consent.delegation m left join consent.delegation e on e.delegation = m.delegation and e.event = 'Ended' where m.event = 'Made';
alter view consent.delegations owner to cw_owner;
grant select on consent.delegation, consent.delegations to cw_clerk, cw_keeper;
grant insert (delegation, event, subject, delegate, type, agreements, acts, begins, ends, made_by) on consent.delegation to cw_clerk, cw_keeper;

-- How `p_actor` may do `p_act` about `p_subject` under one agreement (null: about the person as a whole); CW403 when no delegation covers it. The
-- answer stands in the event: 'subject', or the type and the delegate's id. Only the types that the agreement lists may decide under it.
create function consent.indicated(p_actor uuid, p_subject uuid, p_act text, p_agreement text, p_listed jsonb) returns text
stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_type text; begin
  if p_actor = p_subject then return 'subject'; end if;
  select d.type into v_type from consent.delegations d
   where d.subject = p_subject and d.delegate = p_actor and d.in_force and p_act = any (d.acts)
     and (d.agreements is null or p_agreement = any (d.agreements)) and (p_act not in ('Consent', 'Object') or coalesce(p_listed ? d.type, false))
   order by d.seq limit 1;
  if v_type is null then raise exception using errcode = 'CW403', message = 'no delegation covers it'; end if;
  return v_type || ':' || p_actor;
end $$;

-- The agreements about which `p_actor` may see what concerns `p_subject`: null is all of them; CW403 when there is none.
create function consent.sight(p_actor uuid, p_subject uuid) returns text[] stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_all boolean; v_some text[]; begin
  if p_actor = p_subject then return null; end if;
  select bool_or(d.agreements is null), array_agg(x) filter (where x is not null) into v_all, v_some
    from consent.delegations d left join lateral unnest(d.agreements) x on true
   where d.subject = p_subject and d.delegate = p_actor and d.in_force and 'See' = any (d.acts);
  if v_all is null then raise exception using errcode = 'CW403', message = 'no delegation covers it'; end if;
  return case when v_all then null else v_some end;
end $$;

-- Checks and writes one delegation; CW400 says in words what is wrong. Longest: Adviser a year, Attorney five, Parent eighteen.
create function consent.make_delegation(p_subject uuid, p_delegate uuid, p_type text, p_acts text, p_agreements text, p_begins timestamptz,
                                        p_ends timestamptz, p_made_by text) returns uuid
language plpgsql security definer set search_path = pg_catalog as $$
declare v_acts text[] := string_to_array(p_acts, ','); v_agreements text[] := string_to_array(p_agreements, ',');
        v_begins timestamptz := coalesce(p_begins, statement_timestamp()); v_years int; v_id uuid := gen_random_uuid(); v_wrong text; begin
  perform consent.lock_person(p_subject);
  v_years := case p_type when 'Adviser' then 1 when 'Attorney' then 5 when 'Parent' then 18 end;
  v_wrong := case
    when p_subject is null or p_delegate is null or p_subject = p_delegate then 'delegate: name another person than the subject.'
    when v_years is null then 'type: write Parent, Attorney or Adviser.'
    when not coalesce(v_acts <@ array['See', 'Consent', 'Object', 'Export'] and cardinality(v_acts) between 1 and 4
                      and cardinality(v_acts) = (select count(distinct a) from unnest(v_acts) a), false) then 'acts: list some of See, Consent, Object and Export, each once.'
    when p_agreements is not null and not coalesce(cardinality(v_agreements) between 1 and 50
                      and (select bool_and(exists (select from agreement.register r where r.name = x and r.product is not null)) from unnest(v_agreements) x), false)
      then 'agreements: name 1 to 50 agreements of this department, or leave it out for all.'
    when p_ends is null or not isfinite(p_ends) or not isfinite(v_begins) or p_ends <= v_begins or p_ends <= clock_timestamp() then 'until: give an end that lies after the beginning and after now.'
    when p_ends > greatest(v_begins, clock_timestamp()) + make_interval(years => v_years) or v_begins > clock_timestamp() + interval '1 year'
      then format('until: at most %s year(s) for this type, beginning within a year.', v_years)
    when (select count(*) from consent.delegations d where d.subject = p_subject and d.ended_at is null and d.ends > clock_timestamp()) >= 20
      then 'delegate: there are 20 delegations already; end one.' end;
  if v_wrong is not null then raise exception using errcode = 'CW400', message = v_wrong; end if;
  perform set_config('synchronous_commit', 'on', true);
  insert into consent.delegation (delegation, event, subject, delegate, type, agreements, acts, begins, ends, made_by)
  values (v_id, 'Made', p_subject, p_delegate, p_type, v_agreements, v_acts, v_begins, p_ends, p_made_by);
  return v_id;
end $$;

create function consent.finish_delegation(p_id uuid, p_made_by text) returns void language plpgsql security definer set search_path = pg_catalog as $$
declare d consent.delegation; begin
  select * into d from consent.delegation where delegation = p_id and event = 'Made';
  perform consent.lock_person(d.subject);                                      -- what the delegate does now is either before or after
  perform set_config('synchronous_commit', 'on', true);
  insert into consent.delegation (delegation, event, subject, delegate, type, agreements, acts, begins, ends, made_by)
  values (p_id, 'Ended', d.subject, d.delegate, d.type, d.agreements, d.acts, d.begins, d.ends, p_made_by) on conflict (delegation, event) do nothing;
end $$;

-- From another site of the department: the row as it stands there. Doing it again changes nothing.
create function consent.carry_delegation(p_row jsonb) returns void language sql security definer set search_path = pg_catalog as $$
  insert into consent.delegation (delegation, event, subject, delegate, type, agreements, acts, begins, ends, made_by)
  select delegation, event, subject, delegate, type, agreements, acts, begins, ends, made_by from jsonb_populate_record(null::consent.delegation, p_row)
  on conflict (delegation, event) do nothing $$;

create function consent.shown_delegation(p_id uuid) returns json stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
  select json_build_object('id', delegation, 'type', type, 'subject', subject, 'delegate', delegate, 'acts', acts, 'agreements', agreements,
                           'from', begins, 'until', ends, 'inForce', in_force, 'madeBy', made_by, 'endedAt', ended_at, 'endedBy', ended_by)
  from consent.delegations where delegation = p_id $$;

do $$ declare f text; begin
  foreach f in array array['indicated(uuid, uuid, text, text, jsonb)', 'sight(uuid, uuid)', 'shown_delegation(uuid)', 'finish_delegation(uuid, text)', 'carry_delegation(jsonb)',
                           'make_delegation(uuid, uuid, text, text, text, timestamptz, timestamptz, text)'] loop
    execute 'alter function consent.' || f || ' owner to cw_keeper';
    execute 'revoke all on function consent.' || f || ' from public';
    execute 'grant execute on function consent.' || f || ' to cw_clerk';
  end loop;
end $$;

-- Registrars: the department's own accounts that keep the register of parents and attorneys. The data API has checked the token of `p_client`; whether
-- it is a registrar is decided here.
create schema registrar authorization cw_owner;
create function registrar.checked(p_client text) returns text stable language plpgsql security definer set search_path = pg_catalog as $$ begin
  if not exists (select from agreement.department d, unnest(d.registrars) r where p_client = d.name || '/' || r) then
    raise exception using errcode = 'CW403', message = 'not a registrar of this department';
  end if;
  return p_client;
end $$;

create function registrar.delegate(p_client text, p_subject uuid, p_delegate uuid, p_type text, p_acts text, p_agreements text, p_begins timestamptz,
                                   p_ends timestamptz) returns text
language plpgsql security definer set search_path = pg_catalog as $$
declare v_by text := registrar.checked(p_client); v_id uuid; begin
  if p_type is distinct from 'Parent' and p_type is distinct from 'Attorney' then
    raise exception using errcode = 'CW400', message = 'type: a registrar records Parent and Attorney.';
  end if;
  v_id := consent.make_delegation(p_subject, p_delegate, p_type, p_acts, p_agreements, p_begins, p_ends, v_by);
  return consent.shown_delegation(v_id)::text;
end $$;

create function registrar.end_delegation(p_client text, p_id uuid) returns text language plpgsql security definer set search_path = pg_catalog as $$
declare v_by text := registrar.checked(p_client); begin
  if not exists (select from consent.delegation where delegation = p_id and type in ('Parent', 'Attorney')) then
    raise exception using errcode = 'CW404', message = 'no such delegation';
  end if;
  perform consent.finish_delegation(p_id, v_by);
  return consent.shown_delegation(p_id)::text;
end $$;

create function registrar.delegations(p_client text, p_subject uuid) returns text stable language plpgsql security definer set search_path = pg_catalog as $$ begin
  perform registrar.checked(p_client);
  return json_build_object('items', coalesce((select json_agg(consent.shown_delegation(d.delegation) order by d.seq desc) from consent.delegations d
                                              where d.subject = p_subject and d.type in ('Parent', 'Attorney')), '[]'))::text;
end $$;

do $$ declare f text; begin
  foreach f in array array['checked(text)', 'delegate(text, uuid, uuid, text, text, text, timestamptz, timestamptz)', 'end_delegation(text, uuid)', 'delegations(text, uuid)'] loop
    execute 'alter function registrar.' || f || ' owner to cw_clerk';
    execute 'revoke all on function registrar.' || f || ' from public';
  end loop;
end $$;
grant usage on schema registrar to cw_clerk, api;
grant execute on function registrar.delegate(text, uuid, uuid, text, text, text, timestamptz, timestamptz), registrar.end_delegation(text, uuid),
                          registrar.delegations(text, uuid) to api;
