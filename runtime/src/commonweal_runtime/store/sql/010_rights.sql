-- What each lawful basis leaves to the person. The keeper fills it at each start from commonweal_api.rights, so that there is one table, not two.
create table agreement.rights (
  basis text primary key,
  consent boolean not null,                      -- nothing is read before the person has given consent
  objection boolean not null,
  erasure text not null check (erasure in ('OnRequest', 'WhenEnded', 'None')),
  portability boolean not null
);
alter table agreement.rights owner to cw_owner;
grant select on agreement.rights to cw_keeper, cw_clerk;

alter table agreement.department add column registrars text[] not null default '{}';   -- own accounts that may record delegations
alter table agreement.department add column signing jsonb;                             -- public key of the department's agreements

-- What a use rested on stands in its row: a basis that is time-boxed can then be reviewed without the terms beside it.
alter table audit.use add column basis text;
create index use_tx on audit.use (tx);           -- for whoever takes the rows of finished transactions: the seal, the public counts

-- States of consent after ISO/IEC TS 27560 through the Data Privacy Vocabulary. Only Given and Renewed permit.
alter table consent.event drop constraint event_kind_check;
alter table consent.event add constraint event_kind_check check (kind in (
  'Requested', 'RequestDeferred', 'Refused', 'Given', 'Renewed', 'Expired', 'Withdrawn', 'Revoked', 'Invalidated', 'Unknown', 'Objected', 'ObjectionLifted'));

-- Whether `p_to` can follow `p_from` (null: nothing has been said). Withdrawn and Expired end the person's own yes, Revoked and Invalidated the
-- department's; none of them can end what is not given.
create function consent.follows(p_from text, p_to text) returns boolean immutable parallel safe language sql as $$
  select case
    when p_to in ('Renewed', 'Expired', 'Withdrawn', 'Revoked', 'Invalidated') then coalesce(p_from in ('Given', 'Renewed'), false)
    when p_to = 'Given' then coalesce(p_from not in ('Given', 'Renewed'), true)
    when p_to = 'Requested' then coalesce(p_from not in ('Given', 'Renewed', 'Requested'), true)
    when p_to = 'RequestDeferred' then coalesce(p_from in ('Requested', 'Unknown'), true)
    when p_to = 'Refused' then coalesce(p_from in ('Requested', 'RequestDeferred', 'Unknown'), true)
    when p_to = 'Unknown' then coalesce(p_from <> 'Unknown', false)
    else false end $$;
alter function consent.follows(text, text) owner to cw_owner;

-- As in 003, and the event must make sense after the one before it: looked at under the person's lock, so two that cross cannot both pass. What the
-- store itself writes is passed over instead of refused if the person has said something else meanwhile: a consent renewed while the sweep was on its
-- way does not expire.
create or replace function consent.chain() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
declare was consent.state; begin
  if current_setting('transaction_isolation') <> 'read committed' then raise exception 'consent events need read committed'; end if;
  perform set_config('synchronous_commit', 'on', true);                        -- what a person said is on disk before it is acknowledged
  perform consent.lock_person(new.subject);                                    -- serialises one person (1 of 1024 buckets), not all people
  select * into was from consent.state where subject = new.subject and agreement = new.agreement;
  if new.kind in ('Expired', 'Invalidated') and (not coalesce(was.given, false) or new.kind = 'Expired' and not coalesce(was.valid_until <= clock_timestamp(), false)) then
    return null;
  end if;
  if not (case when new.kind in ('Objected', 'ObjectionLifted') then (new.kind = 'Objected') <> coalesce(was.objected, false)
               else consent.follows(was.consent, new.kind) end) then
    raise exception using errcode = 'CW409', message = format('%s cannot follow %s', new.kind, coalesce(was.consent, 'nothing'));
  end if;
  new.seq := nextval('consent.event_seq');                                     -- after the lock: order of numbers = order of the chain
  new.tx := pg_current_xact_id();
  new.at := clock_timestamp();
  select hash into new.prev from consent.event where subject = new.subject order by seq desc limit 1;
  new.hash := sha256(coalesce(new.prev, ''::bytea) || consent.event_bytes(new));
  return new;
end $$;
