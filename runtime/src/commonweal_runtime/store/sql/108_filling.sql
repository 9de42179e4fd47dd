-- Whether the rows of the load under way lie in the product's table already: its first load fills it directly, and one that begins again empties it before.
alter table staging.progress add column filling boolean not null default false;

-- As before, without a second call for each row.
create or replace function mapping.to_date(p text, p_format text, p_pattern text) returns date immutable strict parallel safe language plpgsql as $$
declare v date; begin
  if pg_catalog.btrim(p) operator(pg_catalog.!~) p_pattern then raise exception using errcode = '22007', message = 'the text is no date of that format'; end if;
  v := pg_catalog.to_date(pg_catalog.btrim(p), p_format);
  if v operator(pg_catalog.<) '0001-01-01'::pg_catalog.date or v operator(pg_catalog.>) '9999-12-31'::pg_catalog.date then
    raise exception using errcode = '22008', message = 'a date is of the years 0001 to 9999'; end if;
  return v; end $$;
