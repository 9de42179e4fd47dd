-- What the keeper was told to serve. Only the keeper writes here.
create table agreement.department (
  one boolean primary key default true check (one),
  name text not null, display_name text not null, contact text not null
);
create table agreement.product (
  uid text primary key,
  name text not null unique,
  relation text not null unique,              -- table in schema product
  spec jsonb not null,
  unfilled text[] not null,                   -- fields that no load has filled yet: no agreement on them opens
  contract text not null,
  loaded_at timestamptz, rows bigint not null default 0, refused bigint not null default 0
);
-- A number belongs to one agreement (uid) for ever: consents are kept by number, and a number used twice would hand one agreement's consents to
-- another. So rows are never deleted, and the trigger below says so.
create table agreement.register (
  number smallint primary key check (number > 0),
  uid text not null unique,
  name text not null,
  product text,                               -- uid of the product
  in_force boolean not null default false,    -- its door is open
  opened text,                                -- digest of the statements that opened it; null: closed, or to be opened anew
  contract text,                              -- hash of what is in force; stands in every audit row
  terms jsonb not null default '{}',          -- what people were told; wider terms end earlier consents
  spec jsonb not null default '{}',
  made_at timestamptz not null default clock_timestamp()
);
create table agreement.contract (
  hash text primary key, number smallint not null, content jsonb not null, at timestamptz not null default clock_timestamp()
);

create function agreement.kept() returns trigger language plpgsql as $$ begin
  if tg_op = 'UPDATE' and (new.number, new.uid) is not distinct from (old.number, old.uid) then return new; end if;
  raise exception 'numbers of agreements are kept for ever';
end $$;
create trigger kept before update or delete on agreement.register for each row execute function agreement.kept();
create trigger kept_t before truncate on agreement.register for each statement execute function agreement.kept();

do $$ declare t text; begin
  foreach t in array array['department', 'product', 'register', 'contract'] loop execute 'alter table agreement.' || t || ' owner to cw_owner'; end loop;
end $$;
alter function agreement.kept() owner to cw_owner;

-- The catalogue that the data API shapes requests by. It decides nothing: the doors do.
create function agreement.catalogue() returns text stable language sql security definer set search_path = pg_catalog as $$
  select json_build_object(
    'department', (select json_build_object('name', name, 'displayName', display_name, 'contact', contact) from agreement.department),
    'products', coalesce((select json_agg(json_build_object('name', p.name, 'contract', p.contract, 'spec', p.spec - 'source') order by p.name)
                          from agreement.product p), '[]'),
    'agreements', coalesce((select json_agg(json_build_object('number', r.number, 'name', r.name, 'product', p.name, 'contract', r.contract,
                                                              'spec', r.spec) order by r.number)
                            from agreement.register r join agreement.product p on p.uid = r.product where r.in_force), '[]'))::text $$;
alter function agreement.catalogue() owner to cw_keeper;
revoke all on function agreement.catalogue() from public;
grant usage on schema agreement to cw_keeper, cw_clerk, api;
grant select on all tables in schema agreement to cw_keeper, cw_clerk;
grant execute on function agreement.catalogue() to api;
