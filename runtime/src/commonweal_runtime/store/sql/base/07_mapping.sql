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
