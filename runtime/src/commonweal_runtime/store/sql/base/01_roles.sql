-- Roles of a department's store. Order of trust: cw_owner owns every table and cannot log in > cw_keeper runs the triggers > cw_clerk runs what a
-- person may call > api, person, feed and models log in and hold no table > agr_<n>, one per agreement, may EXECUTE its own door functions only.
-- Beside them, without a login: cw_scribe may read and delete rows of products, and only the two functions that export and erase them run as it
-- (03_consent). cw_heritage owns foreign tables and the views over them and is the only role with a login at the sources.
do $$ declare r text; begin
  foreach r in array array['cw_owner nologin', 'cw_keeper nologin', 'cw_clerk nologin', 'cw_scribe nologin', 'cw_heritage nologin',
                           'api login', 'person login', 'models login', 'feed login'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = split_part(r, ' ', 1)) then execute 'create role ' || split_part(r, ' ', 1); end if;
    execute 'alter role ' || r || ' nosuperuser nocreatedb nocreaterole noinherit noreplication nobypassrls';
  end loop;
end $$;
alter role api connection limit 16;
alter role person connection limit 32;
alter role models connection limit 32;
alter role feed connection limit 8;

-- What the keeper makes for each product and each agreement lies in schemas of its own; nothing else does.
create schema product  authorization cw_owner;   -- one table per product
create schema answer   authorization cw_owner;   -- two functions per product with answers: what they say, and the trigger that keeps them
create schema heritage authorization cw_owner;   -- of a product that is read where it lies (spec.serve.mode Live): a foreign table and the view over it
create schema door     authorization cw_owner;   -- a few functions per agreement, nothing else
grant usage on schema product to cw_keeper, cw_clerk, cw_scribe;
grant usage on schema answer to cw_keeper;
grant usage on schema heritage to cw_scribe;
create extension postgres_fdw schema heritage;
revoke all on all functions in schema heritage from public;   -- names of servers, and ending other reads' connections

-- The model runtime makes its own tables in its own database, and reaches no other: it owns `models` and has CONNECT nowhere else.
alter database models owner to models;
