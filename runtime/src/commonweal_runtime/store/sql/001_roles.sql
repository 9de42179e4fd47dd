-- Roles of a department's store. Order of trust: cw_owner owns every table and cannot log in > cw_keeper runs the triggers > cw_clerk runs what a
-- person may call > api, person and models log in and hold no table > agr_<n>, one per agreement, may EXECUTE its own door functions only.
do $$ declare r text; begin
  foreach r in array array['cw_owner nologin', 'cw_keeper nologin', 'cw_clerk nologin', 'api login', 'person login', 'models login'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = split_part(r, ' ', 1)) then execute 'create role ' || split_part(r, ' ', 1); end if;
    execute 'alter role ' || r || ' nosuperuser nocreatedb nocreaterole noinherit noreplication nobypassrls';
  end loop;
end $$;
alter role api connection limit 16;
alter role person connection limit 32;
alter role models connection limit 32;

create schema product   authorization cw_owner;  -- one table per product
create schema agreement authorization cw_owner;  -- what is in force, and every number ever given
create schema consent   authorization cw_owner;  -- what people said
create schema audit     authorization cw_owner;  -- what was read
create schema door      authorization cw_owner;  -- a few functions per agreement, nothing else
create schema person    authorization cw_owner;  -- what a person may call
