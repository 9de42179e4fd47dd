-- What people said: event (append-only, hash-chained per person) -> state -> arrays on the person's rows, in one transaction.
create schema consent authorization cw_owner;

create sequence consent.event_seq;
-- States of consent after ISO/IEC TS 27560 through the Data Privacy Vocabulary. Only Given and Renewed permit.
create table consent.event (
  seq bigint primary key,
  tx  xid8 not null,
  at  timestamptz not null,
  subject uuid not null,
  agreement smallint not null references agreement.register (number),
  kind text not null check (kind in (
    'Requested', 'RequestDeferred', 'Refused', 'Given', 'Renewed', 'Expired', 'Withdrawn', 'Revoked', 'Invalidated', 'Unknown', 'Objected', 'ObjectionLifted')),
  contract text not null,                        -- hash of what the person was shown
  indicated_by text not null default 'subject',
  valid_until timestamptz,
  prev bytea, hash bytea not null
);
create index event_subject on consent.event (subject, seq);
create index event_tx on consent.event (tx);     -- for whoever takes the rows of finished transactions: seals, and what other sites are told
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

-- The event must make sense after the one before it: looked at under the person's lock, so two that cross cannot both pass. What the store itself writes
-- is passed over instead of refused if the person has said something else meanwhile: a consent renewed while the sweep was on its way does not expire.
create function consent.chain() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
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

-- The same of everybody who has said anything, for a load that brings a million people at once. Row by row took a hundred times as long.
create view consent.standings as
  select r.product, s.subject,
         coalesce(array_agg(s.agreement order by s.agreement) filter (where s.given and coalesce(s.valid_until > clock_timestamp(), true)), '{}') as consent,
         coalesce(array_agg(s.agreement order by s.agreement) filter (where s.objected), '{}') as objection,
         coalesce(min(s.valid_until) filter (where s.given and s.valid_until > clock_timestamp()), 'infinity') as lapse
  from consent.state s join agreement.register r on r.number = s.agreement group by r.product, s.subject;

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
create trigger frozen   before update or delete on agreement.contract for each row execute function consent.frozen();
create trigger frozen_t before truncate on agreement.contract for each statement execute function consent.frozen();

-- Trigger of every product table; its argument is the product's uid. Same lock as the event's: without it an objection and an arrival that cross
-- each other would each miss the other, and the row would be OPEN. Whoever has been erased does not come back, whatever the source says.
-- A merge has locked the people, left out the erased and brought the arrays of `consent.standings` by itself; it says so for its own transaction. Only the
-- superuser inserts into these tables, so nobody else can say it.
create function consent.on_arrival() returns trigger language plpgsql security definer set search_path = pg_catalog as $$ begin
  if current_setting('commonweal.standings', true) = 'brought' then return new; end if;
  perform consent.lock_person(new.subject);
  if exists (select from consent.erased e where e.product = split_part(tg_argv[0], '@', 1) and e.subject = new.subject) then return null; end if;
  select s.consent, s.objection, s.lapse into new._consent, new._objection, new._lapse from consent.standing(new.subject, tg_argv[0]) s;
  return new;
end $$;

-- An agreement has come to another product table (a new product of the same name, or another version): rows that arrived there before it know nothing
-- of what people said under it. Called before the agreement opens; the people are locked in the order that everybody keeps.
create function consent.carry(p_agreement smallint) returns bigint language plpgsql security definer set search_path = pg_catalog as $$
declare v_uid text; v_relation text; v_rows bigint; begin
  select q.uid, q.relation into v_uid, v_relation from agreement.register r join agreement.product q on q.uid = r.product where r.number = p_agreement;
  if v_relation is null then return 0; end if;
  perform pg_advisory_xact_lock(1, o.b) from
    (select distinct consent.bucket(s.subject) as b from consent.state s where s.agreement = p_agreement order by b) o;
  execute format('update product.%I t set _consent = x.consent, _objection = x.objection, _lapse = x.lapse
                  from consent.state s cross join lateral consent.standing(s.subject, $1) x
                  where s.agreement = $2 and t.subject = s.subject
                    and (t._consent, t._objection, t._lapse) is distinct from (x.consent, x.objection, x.lapse)', v_relation)
    using v_uid, p_agreement;
  get diagnostics v_rows = row_count;
  return v_rows;
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

-- Delegation

-- Who may look and decide for whom: append-only, bounded in time. `agreements` and `acts` are a scope: null is every agreement that lists the type.
create table consent.delegation (
  seq bigint generated always as identity primary key,
  tx xid8 not null default pg_current_xact_id(),
  at timestamptz not null default clock_timestamp(),
  delegation uuid not null,
  event text not null check (event in ('Made', 'Ended')),
  subject uuid not null, delegate uuid not null check (delegate <> subject),
  type text not null check (type in ('Parent', 'Attorney', 'Adviser')),
  agreements text[] check (cardinality(agreements) between 1 and 50),
  acts text[] not null check (cardinality(acts) between 1 and 4 and acts <@ array['See', 'Consent', 'Object', 'Export']),
  begins timestamptz not null,
  ends timestamptz not null check (ends > begins and ends < begins + interval '18 years 1 day'),
  made_by text not null,                         -- 'subject', 'delegate', or the registrar's department/account
  unique (delegation, event)
);
create index delegation_subject on consent.delegation (subject, delegate);
create index delegation_delegate on consent.delegation (delegate);
create index delegation_tx on consent.delegation (tx);
create trigger frozen   before update or delete on consent.delegation for each row execute function consent.frozen();
create trigger frozen_t before truncate on consent.delegation for each statement execute function consent.frozen();

-- Every delegation with its end, if it has been ended.
create view consent.delegations as
  select m.*, e.at as ended_at, e.made_by as ended_by, e.at is null and m.begins <= statement_timestamp() and statement_timestamp() < m.ends as in_force
  from consent.delegation m left join consent.delegation e on e.delegation = m.delegation and e.event = 'Ended' where m.event = 'Made';

-- How `p_actor` may do `p_act` about `p_subject` under one agreement (null: about the person as a whole); CW403 when no delegation covers it. The
-- answer stands in the event: 'subject', or the type and the delegate's id. Only the types that the agreement lists may decide under it.
create function consent.indicated(p_actor uuid, p_subject uuid, p_act text, p_agreement text, p_listed jsonb) returns text
stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_type text; begin
  if p_actor = p_subject then return 'subject'; end if;
  select d.type into v_type from consent.delegations d
   where d.subject = p_subject and d.delegate = p_actor and d.in_force and p_act = any (d.acts)
     and (d.agreements is null or p_agreement = any (d.agreements)) and (p_act not in ('Consent', 'Object') or coalesce(p_listed ? d.type, false))
   order by d.seq limit 1;
  if v_type is null then raise exception using errcode = 'CW403', message = 'no delegation covers it'; end if;
  return v_type || ':' || p_actor;
end $$;

-- The agreements about which `p_actor` may see what concerns `p_subject`: null is all of them; CW403 when there is none.
create function consent.sight(p_actor uuid, p_subject uuid) returns text[] stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_all boolean; v_some text[]; begin
  if p_actor = p_subject then return null; end if;
  select bool_or(d.agreements is null), array_agg(x) filter (where x is not null) into v_all, v_some
    from consent.delegations d left join lateral unnest(d.agreements) x on true
   where d.subject = p_subject and d.delegate = p_actor and d.in_force and 'See' = any (d.acts);
  if v_all is null then raise exception using errcode = 'CW403', message = 'no delegation covers it'; end if;
  return case when v_all then null else v_some end;
end $$;

-- Checks and writes one delegation; CW400 says in words what is wrong. Longest: Adviser a year, Attorney five, Parent eighteen.
create function consent.make_delegation(p_subject uuid, p_delegate uuid, p_type text, p_acts text, p_agreements text, p_begins timestamptz,
                                        p_ends timestamptz, p_made_by text) returns uuid
language plpgsql security definer set search_path = pg_catalog as $$
declare v_acts text[] := string_to_array(p_acts, ','); v_agreements text[] := string_to_array(p_agreements, ',');
        v_begins timestamptz := coalesce(p_begins, statement_timestamp()); v_years int; v_id uuid := gen_random_uuid(); v_wrong text; begin
  perform consent.lock_person(p_subject);
  v_years := case p_type when 'Adviser' then 1 when 'Attorney' then 5 when 'Parent' then 18 end;
  v_wrong := case
    when p_subject is null or p_delegate is null or p_subject = p_delegate then 'delegate: name another person than the subject.'
    when v_years is null then 'type: write Parent, Attorney or Adviser.'
    when not coalesce(v_acts <@ array['See', 'Consent', 'Object', 'Export'] and cardinality(v_acts) between 1 and 4
                      and cardinality(v_acts) = (select count(distinct a) from unnest(v_acts) a), false) then 'acts: list some of See, Consent, Object and Export, each once.'
    when p_agreements is not null and not coalesce(cardinality(v_agreements) between 1 and 50
                      and (select bool_and(exists (select from agreement.register r where r.name = x and r.product is not null)) from unnest(v_agreements) x), false)
      then 'agreements: name 1 to 50 agreements of this department, or leave it out for all.'
    when p_ends is null or not isfinite(p_ends) or not isfinite(v_begins) or p_ends <= v_begins or p_ends <= clock_timestamp() then 'until: give an end that lies after the beginning and after now.'
    when p_ends > greatest(v_begins, clock_timestamp()) + make_interval(years => v_years) or v_begins > clock_timestamp() + interval '1 year'
      then format('until: at most %s year(s) for this type, beginning within a year.', v_years)
    when (select count(*) from consent.delegations d where d.subject = p_subject and d.ended_at is null and d.ends > clock_timestamp()) >= 20
      then 'delegate: there are 20 delegations already; end one.' end;
  if v_wrong is not null then raise exception using errcode = 'CW400', message = v_wrong; end if;
  perform set_config('synchronous_commit', 'on', true);
  insert into consent.delegation (delegation, event, subject, delegate, type, agreements, acts, begins, ends, made_by)
  values (v_id, 'Made', p_subject, p_delegate, p_type, v_agreements, v_acts, v_begins, p_ends, p_made_by);
  return v_id;
end $$;

create function consent.finish_delegation(p_id uuid, p_made_by text) returns void language plpgsql security definer set search_path = pg_catalog as $$
declare d consent.delegation; begin
  select * into d from consent.delegation where delegation = p_id and event = 'Made';
  perform consent.lock_person(d.subject);                                      -- what the delegate does now is either before or after
  perform set_config('synchronous_commit', 'on', true);
  insert into consent.delegation (delegation, event, subject, delegate, type, agreements, acts, begins, ends, made_by)
  values (p_id, 'Ended', d.subject, d.delegate, d.type, d.agreements, d.acts, d.begins, d.ends, p_made_by) on conflict (delegation, event) do nothing;
end $$;

-- From another site of the department: the row as it stands there. Doing it again changes nothing.
create function consent.carry_delegation(p_row jsonb) returns void language sql security definer set search_path = pg_catalog as $$
  insert into consent.delegation (delegation, event, subject, delegate, type, agreements, acts, begins, ends, made_by)
  select delegation, event, subject, delegate, type, agreements, acts, begins, ends, made_by from jsonb_populate_record(null::consent.delegation, p_row)
  on conflict (delegation, event) do nothing $$;

create function consent.shown_delegation(p_id uuid) returns json stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
  select json_build_object('id', delegation, 'type', type, 'subject', subject, 'delegate', delegate, 'acts', acts, 'agreements', agreements,
                           'from', begins, 'until', ends, 'inForce', in_force, 'madeBy', made_by, 'endedAt', ended_at, 'endedBy', ended_by)
  from consent.delegations where delegation = p_id $$;

-- Export and erasure: everything held about one person, for that person, and its erasure where the bases leave it.

-- Whom a product may not hold again. `product` is the uid without the version, so it holds for every version that is served. `at_source`: since when
-- the source no longer gives the person; null: its owner still has to carry it out.
create table consent.erased (
  product text not null, subject uuid not null,
  seq bigint generated always as identity,
  tx xid8 not null default pg_current_xact_id(),
  at timestamptz not null default clock_timestamp(),
  indicated_by text not null default 'subject',
  at_source timestamptz,
  primary key (product, subject)
);
create index erased_seq on consent.erased (seq);
create index erased_tx on consent.erased (tx);

-- The records of one person in one product: its fields under their names, nothing of the store's own columns. Of a Live product the records come from the
-- source, by the person's own key. CW012: the source does not answer; then nothing is handed out rather than an export that lacks something.
create function consent.records_of(p_subject uuid, p_uid text) returns jsonb stable language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
declare p agreement.product; v jsonb; v_keys text[]; begin
  select * into p from agreement.product where uid = p_uid;
  if p.spec #>> '{serve,mode}' = 'Live' then
    if p.loaded_at is null or p.key_type is null then raise exception using errcode = 'CW012', message = 'the source does not answer'; end if;
    execute format('select array_agg(t._source) from product.%I t where t.subject = $1', p.relation) into v_keys using p_subject;
    if v_keys is not null then
      begin
        execute format('select jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text) from heritage.%I t where t._source = any (array(select k::%s from unnest($1) k))',
                       p.relation || '_read', p.key_type) into v using v_keys;
      exception when query_canceled or others then raise exception using errcode = 'CW012', message = 'the source does not answer';
      end;
    end if;
  else
    execute format('select jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text) from product.%I t where t.subject = $1', p.relation) into v using p_subject;
  end if;
  return coalesce((select jsonb_agg((select coalesce(jsonb_object_agg(f.name, o.entry -> f.held), '{}') from (
      select x ->> 'name' as name, case when x ->> 'name' in ('ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid') then '_' else '' end || (x ->> 'name') as held
        from jsonb_array_elements(coalesce(p.spec -> 'fields', '[]') || coalesce(p.spec -> 'answers', '[]')) x
      union all select 'record', 'record' where p.spec #>> '{subject,records}' = 'Many') f)) from jsonb_array_elements(v) o(entry)), '[]');
end $$;

create function consent.erase_rows(p_subject uuid, p_base text, p_by text) returns bigint language plpgsql security definer set search_path = pg_catalog as $$
declare t text; v_one bigint; v_all bigint := 0; begin
  perform consent.lock_person(p_subject);
  insert into consent.erased (product, subject, indicated_by) values (p_base, p_subject, p_by) on conflict do nothing;
  for t in select relation from agreement.product where split_part(uid, '@', 1) = p_base loop
    execute format('delete from product.%I where subject = $1', t) using p_subject;
    get diagnostics v_one = row_count;
    v_all := v_all + v_one;
  end loop;
  return v_all;
end $$;

-- Removes a person from every version of a product, withdraws what they had consented to there, and leaves the tombstone.
create function consent.erase(p_subject uuid, p_base text, p_by text) returns bigint language plpgsql security definer set search_path = pg_catalog as $$
declare v_rows bigint := consent.erase_rows(p_subject, p_base, p_by); begin
  insert into consent.event (subject, agreement, kind, contract, indicated_by)
  select s.subject, s.agreement, 'Withdrawn', coalesce(r.contract, '-'), p_by from consent.state s join agreement.register r on r.number = s.agreement
   where s.subject = p_subject and s.given and split_part(r.product, '@', 1) = p_base order by s.agreement;
  return v_rows;
end $$;

-- From another site of the department. A product that is not here is passed over.
create function consent.carry_erasure(p_row jsonb) returns void language sql security definer set search_path = pg_catalog as $$
  select consent.erase((p_row ->> 'subject')::uuid, p.uid, coalesce(p_row ->> 'indicated_by', 'feed')) from agreement.product p
   where p.name = p_row ->> 'product' and not exists (select from consent.erased e where e.product = p.uid and e.subject = (p_row ->> 'subject')::uuid) $$;
create function consent.erasures_after(p_seq bigint) returns table (seq bigint, tx xid8, entry jsonb) stable language sql security definer set search_path = pg_catalog as $$
  select e.seq, e.tx, jsonb_build_object('product', p.name, 'subject', e.subject, 'indicated_by', e.indicated_by) from consent.erased e join agreement.product p on p.uid = e.product
   where e.seq > p_seq order by e.seq $$;

-- Owners and rights

do $$ declare t text; begin
  foreach t in array array['sequence consent.event_seq', 'table consent.event', 'table consent.state', 'table consent.delegation', 'table consent.erased',
                           'view consent.delegations', 'function consent.event_bytes(consent.event)', 'function consent.bucket(uuid)',
                           'function consent.follows(text, text)', 'function consent.frozen()'] loop
    execute 'alter ' || t || ' owner to cw_owner';
  end loop;
  foreach t in array array['lock_person(uuid)', 'chain()', 'to_state()', 'standing(uuid, text)', 'to_rows()', 'on_arrival()', 'carry(smallint)', 'sweep(int)',
                           'invalidate(smallint, text)', 'indicated(uuid, uuid, text, text, jsonb)', 'sight(uuid, uuid)',
                           'make_delegation(uuid, uuid, text, text, text, timestamptz, timestamptz, text)', 'finish_delegation(uuid, text)',
                           'carry_delegation(jsonb)', 'shown_delegation(uuid)', 'erase(uuid, text, text)', 'carry_erasure(jsonb)', 'erasures_after(bigint)'] loop
    execute 'alter function consent.' || t || ' owner to cw_keeper';
    execute 'revoke all on function consent.' || t || ' from public';
  end loop;
  foreach t in array array['records_of(uuid, text)', 'erase_rows(uuid, text, text)'] loop
    execute 'alter function consent.' || t || ' owner to cw_scribe';
    execute 'revoke all on function consent.' || t || ' from public';
  end loop;
end $$;
alter view consent.standings owner to cw_keeper;
grant usage on schema consent to cw_keeper, cw_clerk, cw_scribe;
grant usage, select on sequence consent.event_seq to cw_keeper;
grant select, insert on consent.event to cw_keeper;
grant select, insert, update on consent.state to cw_keeper;
grant select on consent.delegation, consent.delegations, consent.erased to cw_keeper, cw_clerk;
grant insert (delegation, event, subject, delegate, type, agreements, acts, begins, ends, made_by) on consent.delegation to cw_keeper, cw_clerk;
grant select on consent.event, consent.state to cw_clerk;
grant insert (subject, agreement, kind, contract, indicated_by, valid_until) on consent.event to cw_clerk;
grant select, insert (product, subject, indicated_by) on consent.erased to cw_scribe;
grant execute on function consent.lock_person(uuid) to cw_clerk, cw_scribe;
grant execute on function consent.erase_rows(uuid, text, text) to cw_keeper;
grant execute on function consent.indicated(uuid, uuid, text, text, jsonb), consent.sight(uuid, uuid), consent.shown_delegation(uuid),
  consent.make_delegation(uuid, uuid, text, text, text, timestamptz, timestamptz, text), consent.finish_delegation(uuid, text), consent.carry_delegation(jsonb),
  consent.records_of(uuid, text), consent.erase(uuid, text, text) to cw_clerk;
