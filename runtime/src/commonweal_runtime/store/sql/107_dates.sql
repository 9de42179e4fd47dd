-- A date is of the years 0001 to 9999, wherever it comes from: what lies outside, an infinite one included, is refused with an error of class 22, so that
-- the row is set aside. PostgreSQL's own to_date makes 1 January of the year 1 before Christ of an empty text. What is called for each row of a load says
-- the schema of everything it uses instead of setting search_path, which would cost more than the call itself.
create function mapping.dated(p date) returns date immutable strict parallel safe language plpgsql as $$ begin
  if p operator(pg_catalog.<) '0001-01-01'::pg_catalog.date or p operator(pg_catalog.>) '9999-12-31'::pg_catalog.date then
    raise exception using errcode = '22008', message = 'a date is of the years 0001 to 9999'; end if;
  return p; end $$;
create function mapping.dated(p timestamp) returns timestamp immutable strict parallel safe language plpgsql set search_path = pg_catalog as $$ begin
  if p < timestamp '0001-01-01' or p >= timestamp '10000-01-01' then
    raise exception using errcode = '22008', message = 'a moment is of the years 0001 to 9999'; end if;
  return p; end $$;
create function mapping.dated(p timestamptz) returns timestamptz immutable strict parallel safe language plpgsql set search_path = pg_catalog as $$ begin
  perform mapping.dated(p at time zone 'UTC');
  return p; end $$;

-- `p_pattern` is what a text of that format looks like; a number may lack its leading zero where separators stand around it.
create function mapping.to_date(p text, p_format text, p_pattern text) returns date immutable strict parallel safe language plpgsql as $$ begin
  if pg_catalog.btrim(p) operator(pg_catalog.!~) p_pattern then raise exception using errcode = '22007', message = 'the text is no date of that format'; end if;
  return mapping.dated(pg_catalog.to_date(pg_catalog.btrim(p), p_format)); end $$;

create function mapping.make_date(y bigint, m bigint, d bigint) returns date immutable strict parallel safe language sql set search_path = pg_catalog as $$
  select mapping.dated(pg_catalog.make_date(y::int, m::int, d::int)) $$;

create or replace function mapping.day(p date) returns date immutable parallel safe language sql as $$ select mapping.dated(p) $$;
create or replace function mapping.day(p timestamptz) returns date immutable parallel safe language sql set search_path = pg_catalog as $$
  select mapping.day(p at time zone 'UTC') $$;
create or replace function mapping.moment(p timestamptz) returns timestamptz immutable parallel safe language sql as $$ select mapping.dated(p) $$;
create or replace function mapping.moment(p text) returns timestamptz immutable parallel safe language plpgsql set search_path = pg_catalog set timezone = 'UTC'
  set datestyle = 'ISO, YMD' as $$ begin
  if btrim(p) !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?$' then
    raise exception using errcode = '22007', message = 'a moment is written as 2026-01-31T00:00:00Z'; end if;
  return mapping.dated(btrim(p)::timestamptz); end $$;

do $$ declare f record; begin
  for f in select p.oid::regprocedure as sig from pg_proc p where p.pronamespace = 'mapping'::regnamespace and p.proname in ('dated', 'to_date', 'make_date') loop
    execute 'alter function ' || f.sig || ' owner to cw_owner';
    execute 'revoke all on function ' || f.sig || ' from public';
    execute 'grant execute on function ' || f.sig || ' to cw_keeper';
  end loop;
end $$;
