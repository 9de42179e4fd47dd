-- In the database of the models, as 070 does in the department's: decisions and rewards are refused while the department moves. Safe to run again.
create schema if not exists move;
revoke all on schema move from public;
create table if not exists move.standing (
  one boolean primary key default true check (one), id text not null,
  state text not null check (state in ('Frozen', 'Gone', 'Arrived')), until timestamptz not null default 'infinity'
);
create or replace function move.no_use() returns trigger volatile language plpgsql security definer set search_path = pg_catalog as $$ begin
  if exists (select from move.standing where clock_timestamp() < until) then
    raise exception using errcode = 'CW013', message = 'the department is moving';
  end if;
  return null;
end $$;
create or replace function move.reached() returns text language plpgsql set search_path = pg_catalog as $$ begin
  if to_regclass('learning.decision') is null then return ''; end if;
  return (select concat_ws(':', count(*), count(reward), count(phi), coalesce(max(lesson), 0)) from learning.decision);
end $$;
create or replace function move.guard(p_on boolean) returns void language plpgsql set search_path = pg_catalog as $$ begin
  if to_regclass('learning.decision') is null then return; end if;
  drop trigger if exists a_away on learning.decision;
  if p_on then
    create trigger a_away before insert or update or delete on learning.decision for each statement execute function move.no_use();
  end if;
end $$;
