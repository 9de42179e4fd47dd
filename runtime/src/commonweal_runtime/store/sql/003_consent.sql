-- What people said: event (append-only, hash-chained per person) -> state -> arrays on the person's rows, in one transaction.
create sequence consent.event_seq;
create table consent.event (
  seq bigint primary key,
  tx  xid8 not null,
  at  timestamptz not null,
  subject uuid not null,
  agreement smallint not null references agreement.register (number),
  kind text not null check (kind in ('Given', 'Renewed', 'Refused', 'Withdrawn', 'Expired', 'Invalidated', 'Objected', 'ObjectionLifted')),
  contract text not null,                        -- hash of what the person was shown
  indicated_by text not null default 'subject',
  valid_until timestamptz,
  prev bytea, hash bytea not null
);
create index event_subject on consent.event (subject, seq);
create table consent.state (
  subject uuid not null, agreement smallint not null references agreement.register (number),
  consent text,                                  -- kind of the last event on consent; null: never asked
  consent_at timestamptz, valid_until timestamptz,
  given boolean not null generated always as (coalesce(consent in ('Given', 'Renewed'), false)) stored,
  objected boolean not null default false, objected_at timestamptz,
  primary key (subject, agreement)
) with (fillfactor = 85);
create index state_until on consent.state (valid_until) where given and valid_until is not null;

-- numbers, not ::text of a timestamp: text depends on the session's TimeZone and DateStyle and would break the proof
create function consent.event_bytes(e consent.event) returns bytea immutable language sql as $$
  select convert_to(jsonb_build_array(e.seq, extract(epoch from e.at), e.subject, e.agreement, e.kind, e.contract, e.indicated_by,
                                      extract(epoch from e.valid_until))::text, 'UTF8') $$;

-- 1024 buckets, so that a bulk load takes at most 1024 locks. Whoever takes several takes them in this order.
create function consent.bucket(s uuid) returns int immutable parallel safe language sql as $$ select (hashtextextended(s::text, 1) & 1023)::int $$;
create function consent.lock_person(s uuid) returns void language sql security definer set search_path = pg_catalog as $$ select pg_advisory_xact_lock(1, consent.bucket(s)) $$;

create function consent.chain() returns trigger language plpgsql security definer set search_path = pg_catalog as $$ begin
  if current_setting('transaction_isolation') <> 'read committed' then raise exception 'consent events need read committed'; end if;
  perform set_config('synchronous_commit', 'on', true);                        -- what a person said is on disk before it is acknowledged
  perform consent.lock_person(new.subject);                                    -- serialises one person (1 of 1024 buckets), not all people
  new.seq := nextval('consent.event_seq');                                     -- after the lock: order of numbers = order of the chain
  new.tx := pg_current_xact_id();
  new.at := clock_timestamp();
  select hash into new.prev from consent.event where subject = new.subject order by seq desc limit 1;
  new.hash := sha256(coalesce(new.prev, ''::bytea) || consent.event_bytes(new));
  return new;
end $$;

create function consent.to_state() returns trigger language plpgsql security definer set search_path = pg_catalog as $$ begin
  if new.kind in ('Objected', 'ObjectionLifted') then
    insert into consent.state (subject, agreement, objected, objected_at) values (new.subject, new.agreement, new.kind = 'Objected', new.at)
    on conflict (subject, agreement) do update set objected = excluded.objected, objected_at = excluded.objected_at;
  else
    insert into consent.state (subject, agreement, consent, consent_at, valid_until) values (new.subject, new.agreement, new.kind, new.at, new.valid_until)
    on conflict (subject, agreement) do update set consent = excluded.consent, consent_at = excluded.consent_at, valid_until = excluded.valid_until;
  end if;
  return null;
end $$;

-- What a person's rows of one product must carry: numbers consented to, numbers objected to, and the earliest end among those consents. The policy
-- refuses from that end on, so a consent that runs out closes at once; the sweep then lets the person's other consents through again.
create function consent.standing(p_subject uuid, p_product text, out consent smallint[], out objection smallint[], out lapse timestamptz)
stable language sql security definer set search_path = pg_catalog as $$
  select coalesce(array_agg(s.agreement order by s.agreement) filter (where s.given and coalesce(s.valid_until > clock_timestamp(), true)), '{}'),
         coalesce(array_agg(s.agreement order by s.agreement) filter (where s.objected), '{}'),
         coalesce(min(s.valid_until) filter (where s.given and s.valid_until > clock_timestamp()), 'infinity')
  from consent.state s join agreement.register r on r.number = s.agreement where s.subject = p_subject and r.product = p_product $$;

create function consent.to_rows() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
declare p record; begin
  for p in select q.uid, q.relation from agreement.register r join agreement.product q on q.uid = r.product where r.number = new.agreement loop
    execute format('update product.%I t set _consent = s.consent, _objection = s.objection, _lapse = s.lapse from consent.standing($1, $2) s
                    where t.subject = $1 and (t._consent, t._objection, t._lapse) is distinct from (s.consent, s.objection, s.lapse)', p.relation)
      using new.subject, p.uid;
  end loop;
  return null;
end $$;

create function consent.frozen() returns trigger language plpgsql as $$ begin raise exception 'append-only'; end $$;

create trigger a_chain before insert on consent.event for each row execute function consent.chain();
create trigger b_state after  insert on consent.event for each row execute function consent.to_state();
create trigger rows_   after  insert or update on consent.state for each row execute function consent.to_rows();
create trigger frozen  before update or delete on consent.event for each row execute function consent.frozen();
create trigger frozen_t before truncate on consent.event for each statement execute function consent.frozen();

-- Trigger of every product table; its argument is the product's uid. Same lock as the event's: without it an objection and an arrival that cross
-- each other would each miss the other, and the row would be OPEN.
create function consent.on_arrival() returns trigger language plpgsql security definer set search_path = pg_catalog as $$ begin
  perform consent.lock_person(new.subject);
  select s.consent, s.objection, s.lapse into new._consent, new._objection, new._lapse from consent.standing(new.subject, tg_argv[0]) s;
  return new;
end $$;

-- A consent that runs out has no event of its own: this writes one, bounded, run every few seconds.
create function consent.sweep(most int default 1000) returns bigint language sql security definer set search_path = pg_catalog as $$
  with due as (select s.subject, s.agreement, coalesce(r.contract, '-') as contract
               from consent.state s join agreement.register r on r.number = s.agreement
               where s.given and s.valid_until <= clock_timestamp() order by s.valid_until limit most),
       e as (insert into consent.event (subject, agreement, kind, contract, indicated_by)
             select subject, agreement, 'Expired', contract, 'sweep' from due order by consent.bucket(subject) returning 1)
  select count(*) from e $$;

-- The keeper widened an agreement: what people said to the narrower one does not cover it.
create function consent.invalidate(p_agreement smallint, p_contract text) returns bigint language sql security definer set search_path = pg_catalog as $$
  with e as (insert into consent.event (subject, agreement, kind, contract, indicated_by)
             select subject, agreement, 'Invalidated', p_contract, 'keeper' from consent.state where agreement = p_agreement and given
             order by consent.bucket(subject) returning 1)
  select count(*) from e $$;

do $$ declare t text; begin
  foreach t in array array['sequence consent.event_seq', 'table consent.event', 'table consent.state', 'function consent.event_bytes(consent.event)',
                           'function consent.bucket(uuid)', 'function consent.frozen()'] loop
    execute 'alter ' || t || ' owner to cw_owner';
  end loop;
  foreach t in array array['lock_person(uuid)', 'chain()', 'to_state()', 'standing(uuid, text)', 'to_rows()', 'on_arrival()', 'sweep(int)',
                           'invalidate(smallint, text)'] loop
    execute 'alter function consent.' || t || ' owner to cw_keeper';
    execute 'revoke all on function consent.' || t || ' from public';
  end loop;
end $$;
grant usage on schema product, consent to cw_keeper;
grant usage, select on sequence consent.event_seq to cw_keeper;
grant select, insert on consent.event to cw_keeper;
grant select, insert, update on consent.state to cw_keeper;
