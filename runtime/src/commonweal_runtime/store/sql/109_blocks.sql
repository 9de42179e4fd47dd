-- Rows of a source in blocks, by a hash of the subject's key that the source computes: a block whose digest at the source is the one that was merged last is
-- not read again. A digest is kept as a keyed hash, so that nothing here tells of the source's values.
create table staging.divided (
  product text primary key,                     -- uid
  plan text not null,                           -- digest of what is read and how: under another one everything is read
  parts int not null,                           -- number of blocks
  whole_at timestamptz not null default clock_timestamp()  -- when everything was read last
);
create table staging.block (
  product text not null, number int not null,
  seal bytea,                                   -- of the digest and the count that the block had at the source; null: read it again
  subjects uuid[] not null,                     -- everybody with a row in it, refused ones included
  primary key (product, number)
);
-- What the source said of its blocks when the load under way began. Those that were another thing when it went on have no seal.
create table staging.asked (product text not null, number int not null, seal bytea, primary key (product, number));

alter table staging.progress add column parts int;
alter table staging.quarantine add column block int;

create or replace function staging.forget() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
declare t text; begin
  execute format('drop table if exists staging.%I, staging.%I', old.relation, 'members_' || right(old.relation, 10));
  foreach t in array array['progress', 'refused', 'quarantine', 'content', 'former', 'canonical', 'divided', 'block', 'asked'] loop
    execute format('delete from staging.%I where product = $1', t) using old.uid;
  end loop;
  return null;
end $$;
do $$ declare t text; begin
  foreach t in array array['divided', 'block', 'asked'] loop execute 'alter table staging.' || t || ' owner to cw_owner'; end loop;
end $$;
