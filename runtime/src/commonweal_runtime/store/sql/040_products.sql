-- What stands between a product's table and its doors: whether its answers are of today, and until when its checks count as passed.
-- Read by the doors of agreements that need it, and by no other door. No row, or an empty column: closed.
create table agreement.gate (
  product text primary key references agreement.product (uid) on delete cascade,
  asked text,                                 -- digest of the answers as they are kept; null: the product has none
  answering date,                             -- the day that writers answer for, at least
  answered_on date,                           -- the day that every row answers for; 'infinity': no answer asks for today
  passed_until timestamptz not null default '-infinity'   -- of checks that stop serving: the moment at which they must have passed again
);
insert into agreement.gate (product) select uid from agreement.product;
alter table agreement.gate owner to cw_owner;
grant select on agreement.gate to cw_keeper;

-- One row per check and run; the newest hundred of each check are kept.
create table agreement.quality (
  run bigint generated always as identity primary key,
  product text not null references agreement.product (uid) on delete cascade,
  name text not null,
  at timestamptz not null default clock_timestamp(),
  until timestamptz not null,                 -- from then on it counts as not run
  state text not null check (state in ('Passed', 'Failed', 'NotRun')),
  found bigint,
  detail text not null default ''
);
create index quality_newest on agreement.quality (product, name, run desc);
alter table agreement.quality owner to cw_owner;
grant select on agreement.quality to cw_keeper;

-- How a product stands, for catalogue and report: each check with its newest result, a stale one counted as not run, and the age of the records.
create function agreement.standing_of(p_product text) returns json stable language sql security definer set search_path = pg_catalog as $$
  with checks as (
    select c.ordinality as n, c.value ->> 'name' as name, q.at, q.found, q.detail,
           case when q.until > clock_timestamp() then q.state else 'NotRun' end as state
    from agreement.product p cross join lateral jsonb_array_elements(coalesce(p.spec -> 'quality', '[]')) with ordinality c
    left join lateral (select * from agreement.quality q where q.product = p.uid and q.name = c.value ->> 'name' order by q.run desc limit 1) q on true
    where p.uid = p_product)
  select json_build_object(
    'quality', (select json_build_object('passed', count(*) filter (where state = 'Passed'), 'failed', count(*) filter (where state = 'Failed'),
                                         'notRun', count(*) filter (where state = 'NotRun'),
                                         'checks', coalesce(json_agg(json_build_object('name', name, 'state', state, 'at', at, 'found', found, 'detail', detail)
                                                                     order by n), '[]')) from checks),
    'sla', (select case when p.spec ? 'sla' then json_build_object(
              'freshnessSeconds', (p.spec #>> '{sla,freshnessSeconds}')::bigint, 'loadedAt', p.loaded_at,
              'met', case when p.loaded_at is not null
                          then p.loaded_at + make_interval(secs => (p.spec #>> '{sla,freshnessSeconds}')::double precision) > clock_timestamp() end) end
            from agreement.product p where p.uid = p_product)) $$;
alter function agreement.standing_of(text) owner to cw_keeper;
revoke all on function agreement.standing_of(text) from public;

-- An agreement has come to another product table (a new product of the same name, or another version): rows that arrived there before it know nothing
-- of what people said under it. Called before the agreement opens; the people are locked in the order that everybody keeps.
create function consent.carry(p_agreement smallint) returns bigint language plpgsql security definer set search_path = pg_catalog as $$
declare v_uid text; v_relation text; v_rows bigint; begin
  select q.uid, q.relation into v_uid, v_relation from agreement.register r join agreement.product q on q.uid = r.product where r.number = p_agreement;
  if v_relation is null then return 0; end if;
  perform pg_advisory_xact_lock(1, o.b) from
    (select distinct consent.bucket(s.subject) as b from consent.state s where s.agreement = p_agreement order by b) o;
  execute format('update product.%I t set _consent = x.consent, _objection = x.objection, _lapse = x.lapse
                  from consent.state s cross join lateral consent.standing(s.subject, $1) x
                  where s.agreement = $2 and t.subject = s.subject
                    and (t._consent, t._objection, t._lapse) is distinct from (x.consent, x.objection, x.lapse)', v_relation)
    using v_uid, p_agreement;
  get diagnostics v_rows = row_count;
  return v_rows;
end $$;
alter function consent.carry(smallint) owner to cw_keeper;
revoke all on function consent.carry(smallint) from public;
grant execute on function pg_advisory_xact_lock(int, int), pg_advisory_xact_lock_shared(int, int) to cw_keeper;

-- What mappings and answers are written with beside PostgreSQL's own: values of one meaning, whatever the session's settings; 'today', NaN and
-- infinity are refused with an error of class 22, so that the row is set aside.
create schema mapping authorization cw_owner;
create function mapping.day(p date) returns date immutable parallel safe language plpgsql set search_path = pg_catalog as $$ begin
  if not isfinite(p) then raise exception using errcode = '22008', message = 'a date must be finite'; end if;
  return p; end $$;
create function mapping.day(p text) returns date immutable parallel safe language plpgsql set search_path = pg_catalog as $$ begin
  if btrim(p) !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' then raise exception using errcode = '22007', message = 'a date is written as 2026-01-31'; end if;
  return make_date(substr(btrim(p), 1, 4)::int, substr(btrim(p), 6, 2)::int, substr(btrim(p), 9, 2)::int); end $$;
create function mapping.day(p timestamp) returns date immutable parallel safe language sql set search_path = pg_catalog as $$ select mapping.day(p::date) $$;
create function mapping.day(p timestamptz) returns date immutable parallel safe language sql set search_path = pg_catalog as $$
  select mapping.day((p at time zone 'UTC')::date) $$;
create function mapping.moment(p timestamptz) returns timestamptz immutable parallel safe language plpgsql set search_path = pg_catalog as $$ begin
  if not isfinite(p) then raise exception using errcode = '22008', message = 'a moment must be finite'; end if;
  return p; end $$;
create function mapping.moment(p timestamp) returns timestamptz immutable parallel safe language sql set search_path = pg_catalog as $$
  select mapping.moment(p at time zone 'UTC') $$;
create function mapping.moment(p date) returns timestamptz immutable parallel safe language sql set search_path = pg_catalog as $$
  select mapping.moment(p::timestamp) $$;
create function mapping.moment(p text) returns timestamptz immutable parallel safe language plpgsql set search_path = pg_catalog set timezone = 'UTC'
  set datestyle = 'ISO, YMD' as $$ begin
  if btrim(p) !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?$' then
    raise exception using errcode = '22007', message = 'a moment is written as 2026-01-31T00:00:00Z'; end if;
  return btrim(p)::timestamptz; end $$;
create function mapping.finite(p numeric) returns numeric immutable parallel safe language plpgsql set search_path = pg_catalog as $$ begin
  if p in ('NaN', 'Infinity', '-Infinity') or abs(p) >= 1e1000 then raise exception using errcode = '22003', message = 'a number must be finite'; end if;
  return p; end $$;
do $$ declare f record; begin
  for f in select p.oid::regprocedure as sig from pg_proc p where p.pronamespace = 'mapping'::regnamespace loop
    execute 'alter function ' || f.sig || ' owner to cw_owner';
    execute 'revoke all on function ' || f.sig || ' from public';
    execute 'grant execute on function ' || f.sig || ' to cw_keeper';
  end loop;
end $$;
grant usage on schema mapping to cw_keeper;

create schema answer authorization cw_owner;  -- two functions per product with answers: what they say, and the trigger that keeps them
grant usage on schema answer to cw_keeper;
