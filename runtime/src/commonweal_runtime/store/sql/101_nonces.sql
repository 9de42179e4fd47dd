-- What an agreement was signed as, for ever: one nonce is one agreement (a number) and one hash, and what is over never opens again.
create table agreement.nonce (
  nonce text primary key,
  number smallint references agreement.register (number),   -- null: revoked before it ever opened here
  signed text,                                -- hash that both parties signed
  until timestamptz not null default 'infinity',   -- end of the term that was signed: from then on nobody need be told that it is over
  opened_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz, why text check (why in ('Revoked', 'Replaced')), check ((ended_at is null) = (why is null))
);
create index nonce_number on agreement.nonce (number);
create function agreement.nonce_kept() returns trigger language plpgsql as $$ begin
  if tg_op = 'UPDATE' and new.nonce = old.nonce and (old.number is null or new.number = old.number) and (old.ended_at is null or new.ended_at = old.ended_at)
  then return new; end if;
  raise exception 'nonces of agreements are kept for ever';
end $$;
create trigger kept before update or delete on agreement.nonce for each row execute function agreement.nonce_kept();
create trigger kept_t before truncate on agreement.nonce for each statement execute function agreement.nonce_kept();

-- Agreements that are in force by signatures of earlier releases, which have no nonce. They hold for a last term as they are: the keeper fills in, from what
-- the store itself has kept and before it looks at any plan, what was signed and what the fields mean. Nothing is ever added.
create table agreement.signed_before (
  number smallint primary key references agreement.register (number),
  until timestamptz not null,
  signed text, meaning jsonb
);
insert into agreement.signed_before (number, until)
select number, least(coalesce((spec #>> '{validity,until}')::timestamptz, 'infinity'), clock_timestamp() + interval '180 days')
from agreement.register where in_force;

-- A party's word that an agreement is over; true: it was not known. Numbers and hash stay what they were.
create function agreement.end_nonce(p_nonce text, p_until timestamptz, p_why text) returns boolean
language sql security definer set search_path = pg_catalog as $$
  insert into agreement.nonce as n (nonce, until, ended_at, why) values (p_nonce, coalesce(p_until, 'infinity'), clock_timestamp(), p_why)
  on conflict (nonce) do update set ended_at = excluded.ended_at, why = excluded.why where n.ended_at is null
  returning true $$;

do $$ declare t text; begin
  foreach t in array array['nonce', 'signed_before'] loop execute 'alter table agreement.' || t || ' owner to cw_owner'; end loop;
end $$;
alter function agreement.nonce_kept() owner to cw_owner;
alter function agreement.end_nonce(text, timestamptz, text) owner to cw_keeper;
revoke all on function agreement.end_nonce(text, timestamptz, text) from public;
grant select, insert, update on agreement.nonce to cw_keeper;
