-- What a load leaves between its batches, and the rows that no load could take. Only the keeper, as superuser, comes here.
create schema staging authorization cw_owner;

-- How far the load of a product has come. Rows and position commit together, so whatever is killed, the two agree.
create table staging.progress (
  product text primary key,                     -- uid
  plan text not null,                           -- digest of what is read and how: another one begins anew
  position bytea,                               -- sealed, for it can hold a source key; null: at the beginning
  rows bigint not null default 0,               -- read so far, refused ones included
  complete boolean not null default false,      -- all is staged; what is left is the merge
  begun_at timestamptz not null default clock_timestamp(),
  at timestamptz not null default clock_timestamp()
);

-- Rows that the load under way has refused; they become the quarantine when it is merged.
create table staging.refused (
  product text not null,
  key text not null,                            -- the row: keyed hash of subject and record, else its place; never a value of the source
  field text not null, reason text not null,
  subject uuid,                                 -- pairwise, where it could be computed
  place bigint,                                 -- number of the row in the reading, from 1
  primary key (product, key)
);

create table staging.quarantine (
  product text not null, key text not null,
  field text not null, reason text not null check (reason in ('NoKey', 'Missing', 'Mismatch', 'Unreadable', 'DoubleKey', 'MappingFailed')),
  subject uuid, place bigint,
  first_seen timestamptz not null default clock_timestamp(), last_seen timestamptz not null default clock_timestamp(),
  primary key (product, key)
);
create index quarantine_subject on staging.quarantine (subject) where subject is not null;

-- The content that was merged last, where the source can name it: an equal one is not read again.
create table staging.content (product text primary key, plan text not null);

do $$ declare t text; begin
  foreach t in array array['progress', 'refused', 'quarantine', 'content'] loop execute 'alter table staging.' || t || ' owner to cw_owner'; end loop;
end $$;

-- Nothing of a product that is gone stays behind.
create function staging.forget() returns trigger language plpgsql security definer set search_path = pg_catalog as $$ begin
  execute format('drop table if exists staging.%I', old.relation);
  delete from staging.progress where product = old.uid;
  delete from staging.refused where product = old.uid;
  delete from staging.quarantine where product = old.uid;
  delete from staging.content where product = old.uid;
  return null;
end $$;
alter function staging.forget() owner to cw_owner;
revoke all on function staging.forget() from public;
create trigger forget after delete on agreement.product for each row execute function staging.forget();
