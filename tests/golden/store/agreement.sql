-- The agreement «benefits-checks-company» (number 7) on the product «companies» of examples/start-a-business.
-- Every statement is what the keeper sends to PostgreSQL, broken into lines. tests/golden/test_agreement_sql.py keeps this file true.

-- The product's table, made before any agreement: nobody but the store's own roles may see a row of it.

create table product."companies_ce600c3508" (subject uuid not null, "companyName" text, "status" text, "sector" text,
    "incorporatedOn" date, "postcode" text, "familyName" text, "bornOn" date, "personalCode" text, "incorporatedYear" bigint
    generated always as ((extract(year from "incorporatedOn"))::bigint) stored, "postcodeArea" text generated always
    as (split_part(btrim("postcode"), ' ', 1)) stored, "trading" boolean, _consent smallint[] not null default '{}', _objection
    smallint[] not null default '{}', _lapse timestamptz not null default 'infinity', primary key (subject)) with (fillfactor = 85);
alter table product."companies_ce600c3508" owner to cw_owner;
alter table product."companies_ce600c3508" enable row level security;
alter table product."companies_ce600c3508" force row level security;
revoke all on product."companies_ce600c3508" from public;
grant select (subject, _consent, _objection, _lapse), update (_consent, _objection, _lapse) on product."companies_ce600c3508"
    to cw_keeper;
create policy keeper on product."companies_ce600c3508" to cw_keeper using (true) with check (true);
grant select (subject) on product."companies_ce600c3508" to cw_clerk;
create policy clerk on product."companies_ce600c3508" for select to cw_clerk using (true);
grant select, delete on product."companies_ce600c3508" to cw_scribe;
create policy scribe on product."companies_ce600c3508" to cw_scribe using (true);
create trigger arrival before insert on product."companies_ce600c3508" for each row
    when (current_setting('commonweal.standings', true) is distinct from 'brought') execute
    function consent.on_arrival('uid-of-companies');

-- Opening, in one transaction: restrictive policies, then the permissive one, grants, and the door's functions last.

do $$ begin if not exists (select from pg_catalog.pg_roles where rolname = 'agr_7') then create role agr_7; end if; end $$;
do $$ begin if not exists (select from pg_catalog.pg_roles where rolname = 'agr_7_r') then create role agr_7_r; end if; end $$;
alter role agr_7_r with nologin nobypassrls nosuperuser nocreatedb nocreaterole noinherit noreplication;
alter role agr_7 with login connection limit 16 nobypassrls nosuperuser nocreatedb nocreaterole noinherit noreplication;
do $$ begin execute format('grant connect on database %I to agr_7', current_database()); end $$;
drop policy if exists a7_basis on product."companies_ce600c3508";
drop policy if exists a7_objection on product."companies_ce600c3508";
drop policy if exists a7_period on product."companies_ce600c3508";
create policy a7_period on product."companies_ce600c3508" as restrictive for select to agr_7_r
    using (statement_timestamp() >= timestamptz '2026-01-01T00:00:00+00:00'
    and statement_timestamp() < timestamptz '2030-01-01T00:00:00+00:00');
create policy a7_objection on product."companies_ce600c3508" as restrictive for select to agr_7_r using (7 <> all (_objection));
create policy a7_basis on product."companies_ce600c3508" as permissive for select to agr_7_r using (7 = any (_consent)
    and statement_timestamp() < _lapse);
revoke all on product."companies_ce600c3508" from agr_7_r;
revoke all on all tables in schema audit, agreement, heritage from agr_7_r;
revoke all on all functions in schema audit, agreement from agr_7_r;
revoke all on schema product, audit, agreement, door, heritage from agr_7_r;
revoke all on function pg_catalog.pg_current_xact_id() from agr_7_r;
grant usage on schema product, audit, agreement to agr_7_r;
grant select (subject, "companyName", "trading") on product."companies_ce600c3508" to agr_7_r;
grant insert (client, caller, purpose, op, contract, basis, fields, subject, subjects, found) on audit.use to agr_7_r;
grant execute on function pg_catalog.pg_current_xact_id() to agr_7_r;
grant usage on schema door to agr_7;
grant select on agreement.gate to agr_7_r;
drop function if exists door.a7_ask(text, text, text, text, text, boolean);
drop function if exists door.a7_askpage(uuid, int, text, text, text, text, boolean);
drop function if exists door.a7_take(text);
create or replace function door.a7_point(p_subject uuid, p_fields text, p_client text, p_purpose text, p_caller text default null,
    p_values boolean default false) returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
    as $door$
declare v_json text;
begin
  if p_purpose is null or p_purpose <> all (array['benefits-department/check-self-employment']::text[]) then raise exception
      using errcode = 'CW001', message = 'purpose not agreed'; end if;
  if p_client is null or p_client <> all (array['benefits-department/benefits-app']::text[]) then raise exception
      using errcode = 'CW002', message = 'client not agreed'; end if;
  if p_caller is not null and (p_client not like '%/models' or p_caller !~
      '^[a-z]([a-z0-9-]{0,38}[a-z0-9])?/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$') then raise exception
      using errcode = 'CW002', message = 'caller not accepted'; end if;
  if p_values and (p_caller is null or p_caller <> all (array['benefits-department/benefits-app']::text[])) then raise exception
      using errcode = 'CW002', message = 'caller not agreed'; end if;
  if statement_timestamp() < timestamptz '2026-01-01T00:00:00+00:00' or statement_timestamp() >= timestamptz
      '2030-01-01T00:00:00+00:00' then raise exception using errcode = 'CW003', message = 'agreement not in force'; end if;
  if current_setting('transaction_isolation') <> 'read committed' then raise exception
      using errcode = 'CW004', message = 'needs read committed'; end if;
  if p_fields is not null and (not string_to_array(p_fields, ',') <@ array['companyName', 'trading']::text[]) then raise exception
      using errcode = 'CW005', message = 'field not agreed'; end if;
  if feed.silent() then raise exception using errcode = 'CW008', message = 'consents of other sites are stale'; end if;
  if not exists (select from agreement.gate g where g.product = 'uid-of-companies' and statement_timestamp() < g.passed_until) then
      raise exception using errcode = 'CW009', message = 'stopped by a quality check'; end if;
  if not exists (select from agreement.gate g where g.product = 'uid-of-companies'
      and g.answered_on in ((statement_timestamp() at time zone 'UTC')::date, 'infinity')) then raise exception
      using errcode = 'CW010', message = 'answers are being renewed'; end if;
  perform set_config('synchronous_commit', 'on', true), set_config('client_min_messages', 'error', true);
  v_json := (select json_build_object('subject', r.subject, 'record', case when p_fields is null then (select row_to_json(_o)
      from (select r."companyName" as "companyName", r."trading" as "trading") _o)
      else (select coalesce(json_object_agg(e.key, e.value), '{}'::json) from json_each((select row_to_json(_o)
      from (select r."companyName" as "companyName", r."trading" as "trading") _o)) e
      where e.key = any (string_to_array(p_fields, ','))) end, 'dataUntil', to_char(date_trunc('hour', (statement_timestamp() +
      interval '90 days') at time zone 'UTC'), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))::text from product."companies_ce600c3508" r
      where r.subject = p_subject);
  insert into audit.use (client, caller, purpose, op, contract, basis, fields, subject, subjects, found)
      select p_client, p_caller, p_purpose, 'point', '2ab5d10965b1d8752dd344aa80a29cf1', 'Consent', p_fields, p_subject, null,
      (v_json is not null)::int;
  return v_json;
end $door$;
alter function door.a7_point(uuid, text, text, text, text, boolean) owner to agr_7_r;
revoke all on function door.a7_point(uuid, text, text, text, text, boolean) from public;
grant execute on function door.a7_point(uuid, text, text, text, text, boolean) to agr_7;
create or replace function door.a7_points(p_subjects text, p_fields text, p_client text, p_purpose text, p_caller text default null,
    p_values boolean default false) returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
    as $door$
declare v_all text; v_subjects uuid[];
begin
  if p_purpose is null or p_purpose <> all (array['benefits-department/check-self-employment']::text[]) then raise exception
      using errcode = 'CW001', message = 'purpose not agreed'; end if;
  if p_client is null or p_client <> all (array['benefits-department/benefits-app']::text[]) then raise exception
      using errcode = 'CW002', message = 'client not agreed'; end if;
  if p_caller is not null and (p_client not like '%/models' or p_caller !~
      '^[a-z]([a-z0-9-]{0,38}[a-z0-9])?/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$') then raise exception
      using errcode = 'CW002', message = 'caller not accepted'; end if;
  if p_values and (p_caller is null or p_caller <> all (array['benefits-department/benefits-app']::text[])) then raise exception
      using errcode = 'CW002', message = 'caller not agreed'; end if;
  if statement_timestamp() < timestamptz '2026-01-01T00:00:00+00:00' or statement_timestamp() >= timestamptz
      '2030-01-01T00:00:00+00:00' then raise exception using errcode = 'CW003', message = 'agreement not in force'; end if;
  if current_setting('transaction_isolation') <> 'read committed' then raise exception
      using errcode = 'CW004', message = 'needs read committed'; end if;
  if p_fields is not null and (not string_to_array(p_fields, ',') <@ array['companyName', 'trading']::text[]) then raise exception
      using errcode = 'CW005', message = 'field not agreed'; end if;
  if feed.silent() then raise exception using errcode = 'CW008', message = 'consents of other sites are stale'; end if;
  if not exists (select from agreement.gate g where g.product = 'uid-of-companies' and statement_timestamp() < g.passed_until) then
      raise exception using errcode = 'CW009', message = 'stopped by a quality check'; end if;
  if not exists (select from agreement.gate g where g.product = 'uid-of-companies'
      and g.answered_on in ((statement_timestamp() at time zone 'UTC')::date, 'infinity')) then raise exception
      using errcode = 'CW010', message = 'answers are being renewed'; end if;
  perform set_config('synchronous_commit', 'on', true), set_config('client_min_messages', 'error', true);
  v_subjects := array(select x.s from unnest(p_subjects::uuid[]) with ordinality x(s, o) order by x.o limit 64);
  with r as materialized (select x.o, x.s, (select json_build_object('subject', r.subject, 'record', case when p_fields is null
      then (select row_to_json(_o) from (select r."companyName" as "companyName", r."trading" as "trading") _o)
      else (select coalesce(json_object_agg(e.key, e.value), '{}'::json) from json_each((select row_to_json(_o)
      from (select r."companyName" as "companyName", r."trading" as "trading") _o)) e
      where e.key = any (string_to_array(p_fields, ','))) end, 'dataUntil', to_char(date_trunc('hour', (statement_timestamp() +
      interval '90 days') at time zone 'UTC'), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))::text from product."companies_ce600c3508" r
      where r.subject = x.s) as j from unnest(v_subjects) with ordinality x(s, o)),
  w as (insert into audit.use (client, caller, purpose, op, contract, basis, fields, subject, subjects, found)
      select p_client, p_caller, p_purpose, 'point', '2ab5d10965b1d8752dd344aa80a29cf1', 'Consent', p_fields, s, null, (j is not
      null)::int from r)
  select string_agg(coalesce(j, ''), chr(10) order by o) into v_all from r;
  return v_all;
end $door$;
alter function door.a7_points(text, text, text, text, text, boolean) owner to agr_7_r;
revoke all on function door.a7_points(text, text, text, text, text, boolean) from public;
grant execute on function door.a7_points(text, text, text, text, text, boolean) to agr_7;
create or replace function door.a7_page(p_after uuid, p_most int, p_fields text, p_client text, p_purpose text, p_caller text
    default null, p_values boolean default false) returns text language plpgsql volatile
    security definer set search_path = pg_catalog, pg_temp as $door$
declare v_json text; v_ids uuid[]; v_found int;
begin
  if p_purpose is null or p_purpose <> all (array['benefits-department/check-self-employment']::text[]) then raise exception
      using errcode = 'CW001', message = 'purpose not agreed'; end if;
  if p_client is null or p_client <> all (array['benefits-department/benefits-app']::text[]) then raise exception
      using errcode = 'CW002', message = 'client not agreed'; end if;
  if p_caller is not null and (p_client not like '%/models' or p_caller !~
      '^[a-z]([a-z0-9-]{0,38}[a-z0-9])?/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$') then raise exception
      using errcode = 'CW002', message = 'caller not accepted'; end if;
  if p_values and (p_caller is null or p_caller <> all (array['benefits-department/benefits-app']::text[])) then raise exception
      using errcode = 'CW002', message = 'caller not agreed'; end if;
  if statement_timestamp() < timestamptz '2026-01-01T00:00:00+00:00' or statement_timestamp() >= timestamptz
      '2030-01-01T00:00:00+00:00' then raise exception using errcode = 'CW003', message = 'agreement not in force'; end if;
  if current_setting('transaction_isolation') <> 'read committed' then raise exception
      using errcode = 'CW004', message = 'needs read committed'; end if;
  if p_fields is not null and (not string_to_array(p_fields, ',') <@ array['companyName', 'trading']::text[]) then raise exception
      using errcode = 'CW005', message = 'field not agreed'; end if;
  if feed.silent() then raise exception using errcode = 'CW008', message = 'consents of other sites are stale'; end if;
  if not exists (select from agreement.gate g where g.product = 'uid-of-companies' and statement_timestamp() < g.passed_until) then
      raise exception using errcode = 'CW009', message = 'stopped by a quality check'; end if;
  if not exists (select from agreement.gate g where g.product = 'uid-of-companies'
      and g.answered_on in ((statement_timestamp() at time zone 'UTC')::date, 'infinity')) then raise exception
      using errcode = 'CW010', message = 'answers are being renewed'; end if;
  perform set_config('synchronous_commit', 'on', true), set_config('client_min_messages', 'error', true);
  select array_agg(q.subject order by q.subject), count(*), json_build_object('items', coalesce(json_agg(q.j
      order by q.subject), '[]'),
    'next', case when count(*) = least(greatest(p_most, 1), 100) then (array_agg(q.subject
        order by q.subject desc))[1] end, 'dataUntil', to_char(date_trunc('hour', (statement_timestamp() + interval '90 days') at
        time zone 'UTC'), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))::text into v_ids, v_found, v_json
        from (select r.subject, json_build_object('subject', r.subject, 'record', case when p_fields is null
        then (select row_to_json(_o) from (select r."companyName" as "companyName", r."trading" as "trading") _o)
        else (select coalesce(json_object_agg(e.key, e.value), '{}'::json) from json_each((select row_to_json(_o)
        from (select r."companyName" as "companyName", r."trading" as "trading") _o)) e
        where e.key = any (string_to_array(p_fields, ','))) end) as j from product."companies_ce600c3508" r
        where r.subject > p_after order by r.subject limit least(greatest(p_most, 1), 100)) q;
  insert into audit.use (client, caller, purpose, op, contract, basis, fields, subject, subjects, found)
      select p_client, p_caller, p_purpose, 'page', '2ab5d10965b1d8752dd344aa80a29cf1', 'Consent', p_fields, null, coalesce(v_ids,
      '{}'), coalesce(v_found, 0);
  return v_json;
end $door$;
alter function door.a7_page(uuid, int, text, text, text, text, boolean) owner to agr_7_r;
revoke all on function door.a7_page(uuid, int, text, text, text, text, boolean) from public;
grant execute on function door.a7_page(uuid, int, text, text, text, text, boolean) to agr_7;

-- Closing, in one transaction: from its commit on nobody reads; it waits for no lock on the product's table.

do $$ begin if exists (select from pg_catalog.pg_roles where rolname = 'agr_7') then alter role agr_7 nologin; end if; end $$;
drop function if exists door.a7_point(uuid, text, text, text, text, boolean);
drop function if exists door.a7_points(text, text, text, text, text, boolean);
drop function if exists door.a7_page(uuid, int, text, text, text, text, boolean);
drop function if exists door.a7_ask(text, text, text, text, text, boolean);
drop function if exists door.a7_askpage(uuid, int, text, text, text, text, boolean);
drop function if exists door.a7_take(text);

-- What the closed agreement has left behind, removed as soon as the table is free.

drop policy if exists a7_basis on product."companies_ce600c3508";
drop policy if exists a7_objection on product."companies_ce600c3508";
drop policy if exists a7_period on product."companies_ce600c3508";
do $$ begin if exists (select from pg_catalog.pg_roles where rolname = 'agr_7') then revoke all on product."companies_ce600c3508"
    from agr_7; revoke all on all tables in schema audit, agreement, heritage from agr_7; revoke all
    on all functions in schema audit, agreement from agr_7; revoke all on schema product, audit, agreement, door, heritage
    from agr_7; revoke all on function pg_catalog.pg_current_xact_id() from agr_7; execute
    format('revoke all on database %I from agr_7', current_database()); drop owned by agr_7; drop role agr_7; end if; end $$;
do $$ begin if exists (select from pg_catalog.pg_roles where rolname = 'agr_7_r') then revoke all on product."companies_ce600c3508"
    from agr_7_r; revoke all on all tables in schema audit, agreement, heritage from agr_7_r; revoke all
    on all functions in schema audit, agreement from agr_7_r; revoke all on schema product, audit, agreement, door, heritage
    from agr_7_r; revoke all on function pg_catalog.pg_current_xact_id()
    from agr_7_r; execute format('revoke all on database %I from agr_7_r', current_database()); drop owned by agr_7_r; drop role
    agr_7_r; end if; end $$;
