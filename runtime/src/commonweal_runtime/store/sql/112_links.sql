-- Linking: a person who has just signed in under an id that no record has (`asking`) finds their record here. They tell what spec.matching of the
-- Department asks; it is compared inside the store, by equality after normalising. Exactly one record: a ticket, with which they confirm that it is theirs.
-- Anything else is one and the same answer, and a referral, which a registrar of the department decides. Who is linked is known to the issuer and to this
-- table, as ids that mean nothing to any other department.
--   CW016 the link is disputed   CW017 the link has been ended   CW409 there is nothing to link or to decide (the message says which)
create schema matching authorization cw_owner;
alter table agreement.department add column matching jsonb;

create table matching.link (
  subject uuid primary key,                      -- so no record has two links
  asking uuid,                                   -- the id under which it was asked for; null: the platform vouched for the person
  state text not null check (state in ('Linked', 'Frozen', 'Ended')),
  since timestamptz not null
);
create unique index link_asking on matching.link (asking) where state <> 'Ended';
create index link_frozen on matching.link (since) where state = 'Frozen';
create table matching.ticket (
  hash bytea primary key,                        -- SHA-256 of the ticket, which is not kept
  asking uuid not null, sid text not null, subject uuid not null,
  code bytea,                                    -- keyed hash of the code that was sent; null: none is asked for
  code_until timestamptz, wrong int not null default 0,
  at timestamptz not null default clock_timestamp(),
  used_at timestamptz
);
create index ticket_at on matching.ticket (at);
-- An attempt counts for a day: for who asked, for the record that it came near, and, as a keyed hash, for the address that it came from.
create table matching.attempt (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  asking uuid not null, subject uuid, address bytea not null, found boolean not null
);
create index attempt_asking on matching.attempt (asking, at);
create index attempt_subject on matching.attempt (subject, at) where subject is not null and not found;
create index attempt_address on matching.attempt (address, at) where not found;
create index attempt_at on matching.attempt (at);
create table matching.secret (one boolean primary key default true check (one), value text not null);
insert into matching.secret (value) values (gen_random_uuid()::text || gen_random_uuid()::text);
-- What a registrar decides. What the person told stands in it until then, or for 30 days.
create table matching.referral (
  id uuid primary key default gen_random_uuid(),
  at timestamptz not null default clock_timestamp(), last_at timestamptz not null default clock_timestamp(),
  attempts int not null default 1,
  asking uuid not null,                          -- of a dispute: the id of the record
  reason text not null check (reason in ('NoRecord', 'NotEqual', 'Several', 'LinkedAlready', 'TooOften', 'NoAddress', 'Disputed')),
  told jsonb,                                    -- values by field; of a dispute {"text": …}
  subjects uuid[] not null default '{}',         -- records that it came near
  state text not null default 'Open' check (state in ('Open', 'Approved', 'Refused', 'Unfrozen', 'Ended', 'Closed')),
  subject uuid,                                  -- the record that was decided on
  decided_at timestamptz, decided_by text
);
create unique index referral_open on matching.referral (asking, (reason = 'Disputed')) where state in ('Open', 'Approved');
create unique index referral_approved on matching.referral (subject) where state = 'Approved';
create index referral_newest on matching.referral (state, at);

-- Links are events of the person, under the same chain and seals as what they say; the row of the link follows from them, also where another site carries
-- them here. Of `Linked`, who indicated it is the account, by the id under which it asked.
alter table consent.event alter column agreement drop not null;
alter table consent.event drop constraint event_kind_check;
alter table consent.event add constraint event_kind_check check (kind in (
  'Requested', 'RequestDeferred', 'Refused', 'Given', 'Renewed', 'Expired', 'Withdrawn', 'Revoked', 'Invalidated', 'Unknown', 'Objected', 'ObjectionLifted',
  'Linked', 'LinkEnded', 'LinkDisputed', 'LinkUnfrozen', 'LinkApproved', 'LinkRefused'));
alter table consent.event add constraint event_about check (kind not like 'Link%' or agreement is null);

create or replace function consent.chain() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
declare was consent.state; begin
  if current_setting('transaction_isolation') <> 'read committed' then raise exception 'consent events need read committed'; end if;
  perform set_config('synchronous_commit', 'on', true);                        -- what a person said is on disk before it is acknowledged
  perform consent.lock_person(new.subject);                                    -- serialises one person (1 of 1024 buckets), not all people
  if new.agreement is not null then
    select * into was from consent.state where subject = new.subject and agreement = new.agreement;
    if new.kind in ('Expired', 'Invalidated') and (not coalesce(was.given, false) or new.kind = 'Expired' and not coalesce(was.valid_until <= clock_timestamp(), false)) then
      return null;
    end if;
    if not (case when new.kind in ('Objected', 'ObjectionLifted') then (new.kind = 'Objected') <> coalesce(was.objected, false)
                 else consent.follows(was.consent, new.kind) end) then
      raise exception using errcode = 'CW409', message = format('%s cannot follow %s', new.kind, coalesce(was.consent, 'nothing'));
    end if;
  end if;
  new.seq := nextval('consent.event_seq');                                     -- after the lock: order of numbers = order of the chain
  new.tx := pg_current_xact_id();
  new.at := clock_timestamp();
  select hash into new.prev from consent.event where subject = new.subject order by seq desc limit 1;
  new.hash := sha256(coalesce(new.prev, ''::bytea) || consent.event_bytes(new));
  return new;
end $$;

create function matching.to_link() returns trigger language plpgsql security definer set search_path = pg_catalog as $$ begin
  if new.kind = 'Linked' then
    insert into matching.link as l (subject, asking, state, since) values (new.subject, split_part(new.indicated_by, ':', 2)::uuid, 'Linked', new.at)
    on conflict (subject) do update set asking = excluded.asking, state = excluded.state, since = excluded.since;
  elsif new.kind in ('LinkEnded', 'LinkDisputed', 'LinkUnfrozen') then
    insert into matching.link as l (subject, state, since)
    values (new.subject, case new.kind when 'LinkEnded' then 'Ended' when 'LinkDisputed' then 'Frozen' else 'Linked' end, new.at)
    on conflict (subject) do update set state = excluded.state, since = excluded.since;
    if new.kind = 'LinkDisputed' then
      insert into matching.referral (asking, reason, subjects, subject) values (new.subject, 'Disputed', array[new.subject], new.subject) on conflict do nothing;
    end if;
  end if;
  return null;
end $$;
drop trigger b_state on consent.event;
create trigger b_state after insert on consent.event for each row when (new.agreement is not null) execute function consent.to_state();
create trigger c_link  after insert on consent.event for each row when (new.kind like 'Link%') execute function matching.to_link();

-- An id that becomes another one takes its link along.
create function matching.renamed() returns trigger language plpgsql security definer set search_path = pg_catalog as $$ begin
  delete from matching.link f using matching.link n where f.subject = new.former and n.subject = new.now;
  update matching.link set subject = new.now where subject = new.former;
  update matching.ticket set subject = new.now where subject = new.former;
  update matching.referral set subject = case when subject = new.former then new.now else subject end, subjects = array_replace(subjects, new.former, new.now)
   where subject = new.former or subjects @> array[new.former];
  return null;
end $$;
create trigger link_ after insert on consent.renamed for each row execute function matching.renamed();

-- While the department moves nothing new is asked for; what says no, an end or a dispute, is an event and is carried.
create trigger a_away before insert on matching.attempt for each statement execute function move.no_use();
create trigger a_away before insert or update on matching.ticket for each statement execute function move.no_use();

-- What is under a disputed or ended link

-- CW016, CW017: nobody sees or says anything as a person whose link is disputed, or was ended; while it is disputed nobody does so for them either.
create function matching.hold_to(p_actor uuid, p_subject uuid) returns void stable language plpgsql security definer set search_path = pg_catalog as $$ begin
  if exists (select from matching.link where subject in (p_actor, p_subject) and state = 'Frozen') then
    raise exception using errcode = 'CW016', message = 'the link is disputed';
  elsif exists (select from matching.link where subject = p_actor and state = 'Ended') then
    raise exception using errcode = 'CW017', message = 'the link was ended';
  end if;
end $$;

create or replace function consent.indicated(p_actor uuid, p_subject uuid, p_act text, p_agreement text, p_listed jsonb) returns text
stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_type text; begin
  perform matching.hold_to(p_actor, p_subject);
  if p_actor = p_subject then return 'subject'; end if;
  select d.type into v_type from consent.delegations d
   where d.subject = p_subject and d.delegate = p_actor and d.in_force and p_act = any (d.acts)
     and (d.agreements is null or p_agreement = any (d.agreements)) and (p_act not in ('Consent', 'Object') or coalesce(p_listed ? d.type, false))
   order by d.seq limit 1;
  if v_type is null then raise exception using errcode = 'CW403', message = 'no delegation covers it'; end if;
  return v_type || ':' || p_actor;
end $$;

create or replace function consent.sight(p_actor uuid, p_subject uuid) returns text[] stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_all boolean; v_some text[]; begin
  perform matching.hold_to(p_actor, p_subject);
  if p_actor = p_subject then return null; end if;
  select bool_or(d.agreements is null), array_agg(x) filter (where x is not null) into v_all, v_some
    from consent.delegations d left join lateral unnest(d.agreements) x on true
   where d.subject = p_subject and d.delegate = p_actor and d.in_force and 'See' = any (d.acts);
  if v_all is null then raise exception using errcode = 'CW403', message = 'no delegation covers it'; end if;
  return case when v_all then null else v_some end;
end $$;

-- What the person makes or ends themselves asks nothing of the two functions above.
create function matching.no_hold() returns trigger language plpgsql security definer set search_path = pg_catalog as $$ begin
  perform matching.hold_to(case when to_jsonb(new) ->> 'event' is distinct from 'Ended' then new.subject end, new.subject);
  return new;
end $$;
create trigger a_hold before insert on consent.delegation for each row when (session_user = 'person') execute function matching.no_hold();
create trigger a_hold before insert on consent.erased for each row when (session_user = 'person') execute function matching.no_hold();

-- Looking for a record. These run as cw_scribe, which alone reads rows, and no value leaves them but masked, and the address of a code.

create function matching.written(p_value text, p_normalise text) returns text immutable parallel safe language sql as $$
  select case p_normalise
    when 'Date' then (select m[1] || '-' || lpad(m[2], 2, '0') || '-' || lpad(m[3], 2, '0')
                        from regexp_match(p_value, '^\s*([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})\s*$') m)
    when 'AsIs' then nullif(btrim(p_value, E' \t\r\n'), '')
    else link.written(p_value, p_normalise) end $$;
create function matching.written(p_value bigint, p_normalise text) returns text immutable parallel safe language sql as $$
  select matching.written(p_value::text, p_normalise) $$;
create function matching.written(p_value date, p_normalise text) returns text immutable parallel safe language sql as $$
  select lpad(extract(year from p_value)::text, 4, '0') || '-' || lpad(extract(month from p_value)::text, 2, '0') || '-' || lpad(extract(day from p_value)::text, 2, '0')
   where p_value > '0001-01-01'::date $$;
create function matching.column_of(p_field text) returns text immutable language sql as $$
  select case when p_field in ('ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid') then '_' else '' end || p_field $$;

-- The records that what was told comes near: all that share one of the unique values (eleven at most), and whether one alone does, all of whose rows agree.
-- Two people with one number are both near, so neither is found. What is done is the same whatever is found: one look-up by the index of each unique
-- attribute, and one over the rows of one record.
create function matching.found(p_relation text, p_attributes jsonb, p_told jsonb, out near uuid[], out alone boolean)
stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_any text; v_all text; begin
  select string_agg(format('(select distinct t.subject from product.%1$I t where %2$s limit 11)', p_relation, equal), ' union ') filter (where single),
         string_agg(format('coalesce(%s, false)', equal), ' and ')
    into v_any, v_all
    from (select coalesce((a ->> 'unique')::boolean, false) as single,
                 format('matching.written(t.%1$I, %2$L) = matching.written($1 ->> %3$L, %2$L)',
                        matching.column_of(a ->> 'field'), coalesce(a ->> 'normalise', 'AsIs'), a ->> 'field') as equal
            from jsonb_array_elements(p_attributes) a) x;
  execute format('select coalesce(array_agg(n.subject order by n.subject), ''{}'') from (select u.subject from (%s) u limit 11) n', v_any) into near using p_told;
  execute format('select coalesce(bool_and(%s), false) from product.%I t where t.subject = $2', v_all, p_relation) into alone
    using p_told, coalesce(near[1], '00000000-0000-8000-8000-000000000000'::uuid);
  alone := alone and cardinality(near) = 1;
end $$;

create function matching.masked(p_value text, p_type text) returns text immutable language sql as $$
  select coalesce(case coalesce(p_type, '') when 'Date' then left(p_value, 4) when 'Integer' then '••' || right(p_value, 2) when 'String'
    then (select string_agg(left(w, 1) || '••', ' ' order by n) from regexp_split_to_table(btrim(p_value), '\s+') with ordinality s(w, n) where n <= 8)
    when '' then p_value else '••' end, '–') $$;                              -- a field without a type is a mask and says little enough

-- One row of a record, masked as `preview` says, and the address that a code goes to.
create function matching.preview(p_relation text, p_spec jsonb, p_matching jsonb, p_subject uuid, out shown jsonb, out address text)
stable language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
declare v jsonb; begin
  execute format('select to_jsonb(t) from product.%I t where t.subject = $1 order by to_jsonb(t)::text limit 1', p_relation) into v using p_subject;
  select coalesce(jsonb_agg(jsonb_build_object('label', p -> 'label', 'value', matching.masked(v ->> matching.column_of(p ->> 'field'), f ->> 'type')) order by n), '[]')
    into shown from jsonb_array_elements(coalesce(p_matching -> 'preview', '[]')) with ordinality x(p, n)
    left join lateral (select e from jsonb_array_elements(p_spec -> 'fields') e where e ->> 'name' = p ->> 'field') d(f) on true;
  address := btrim(v ->> matching.column_of(p_matching #>> '{code,field}'));
end $$;

-- Whether any product has a record under this id.
create function matching.known(p_subject uuid) returns boolean stable language plpgsql security definer set search_path = pg_catalog as $$
declare t text; v boolean; begin
  for t in select relation from agreement.product order by uid loop
    execute format('select exists (select from product.%I where subject = $1)', t) into v using p_subject;
    if v then return true; end if;
  end loop;
  return false;
end $$;

-- What a person may call, through the role `person`. `p_asking` is the claim of their token.

create function matching.offered(out m jsonb, out p agreement.product) stable language plpgsql security definer set search_path = pg_catalog as $$ begin
  select d.matching into m from agreement.department d;
  select x.* into p from agreement.product x where x.name = m ->> 'product' and x.loaded_at is not null and coalesce(x.spec #>> '{serve,mode}', 'Replica') <> 'Live';
  if p.uid is null then m := null; end if;
end $$;

create function matching.reference_of(r matching.referral) returns text immutable language sql as $$
  select upper(left(translate(r.id::text, '-', ''), 10)) $$;

-- The link of whoever asks: under the id of their record, or under the one that they asked with.
create function matching.link_of(p_asking uuid) returns matching.link stable language sql security definer set search_path = pg_catalog as $$
  select l from matching.link l where l.subject = p_asking or l.asking = p_asking and l.state <> 'Ended' order by l.subject = p_asking desc, l.since desc limit 1 $$;

create function matching.state_of(p_asking uuid, out state text, out since timestamptz, out subject uuid) stable language plpgsql security definer
set search_path = pg_catalog as $$
declare l matching.link := matching.link_of(p_asking); begin
  since := l.since; subject := l.subject;
  state := case when l.state = 'Frozen' then 'Frozen' when l.state = 'Linked' and l.subject = p_asking then 'Linked' when l.state = 'Linked' then 'Found' end;
  if state is null and l.state is null and matching.known(p_asking) then state := 'Linked'; subject := p_asking; end if;
  if state is not null then return; end if;
  subject := null; since := null;
  select case r.state when 'Approved' then 'Found' else 'Referred' end, r.subject into state, subject from matching.referral r
   where r.asking = p_asking and r.reason <> 'Disputed' and r.state in ('Open', 'Approved');
  state := coalesce(state, 'Unlinked');
end $$;

create function matching.standing(p_asking uuid) returns text stable language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
declare o record; s record; begin
  select * into o from matching.offered();
  select * into s from matching.state_of(p_asking);
  return json_build_object(
    'state', case when o.m is null and s.state in ('Unlinked', 'Referred', 'Found') then 'NotOffered' else s.state end, 'since', s.since,
    'proof', coalesce((select json_agg(json_strip_nulls(json_build_object('field', a ->> 'field', 'label', a -> 'label', 'description', a -> 'description',
        'kind', case when a ->> 'normalise' = 'Date' then 'date' when a ->> 'normalise' = 'Digits' or f ->> 'type' = 'Integer' then 'digits' else 'text' end)) order by n)
      from jsonb_array_elements(o.m -> 'attributes') with ordinality x(a, n)
      left join lateral (select e from jsonb_array_elements((o.p).spec -> 'fields') e where e ->> 'name' = a ->> 'field') d(f) on true), '[]'),
    'code', case when o.m ? 'code' then json_build_object('channel', 'email') end, 'acr', coalesce(o.m -> 'acr', '[]'),
    'reference', (select matching.reference_of(r) from matching.referral r where r.asking = coalesce(s.subject, p_asking) and r.state = 'Open' order by r.at desc limit 1),
    'contact', (select contact from agreement.department))::text;
end $$;

-- Whether the attempt comes after too many: of who asks, from the address, or failed ones near one of the records.
create function matching.too_often(m jsonb, p_asking uuid, p_address bytea, p_near uuid[]) returns boolean volatile language sql security definer
set search_path = pg_catalog as $$
  select (select count(*) from matching.attempt a where a.asking = p_asking and a.at > clock_timestamp() - interval '1 day') >= coalesce((m ->> 'tries')::int, 5)
      or (select count(*) from matching.attempt a where a.address = p_address and not a.found and a.at > clock_timestamp() - interval '1 day')
         >= coalesce((m ->> 'addressTries')::int, 100)
      or (select count(*) from matching.attempt a where a.subject = any (p_near) and not a.found and a.at > clock_timestamp() - interval '1 day')
         >= coalesce((m ->> 'tries')::int, 5) $$;

-- Whether another than `p_asking` has the record.
create function matching.taken(p_asking uuid, p_subject uuid) returns boolean volatile language sql security definer set search_path = pg_catalog as $$
  select exists (select from matching.link l where l.subject = p_subject and l.state <> 'Ended' and l.asking is distinct from p_asking)
      or exists (select from matching.referral r where r.subject = p_subject and r.state = 'Approved' and r.asking <> p_asking) $$;

create function matching.ticketed(m jsonb, p agreement.product, p_asking uuid, p_sid text, p_subject uuid, p_code bytea) returns jsonb volatile language plpgsql security definer
set search_path = pg_catalog as $$
declare v_ticket text := encode(sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')), 'hex'); v record; begin
  select * into v from matching.preview(p.relation, p.spec, m, p_subject);
  insert into matching.ticket (hash, asking, sid, subject, code, code_until)
  values (sha256(convert_to(v_ticket, 'UTF8')), p_asking, p_sid, p_subject, case when m ? 'code' then p_code end,
          clock_timestamp() + make_interval(mins => coalesce((m #>> '{code,minutes}')::int, 15)));
  return jsonb_build_object('state', 'Found', 'preview', v.shown, 'ticket', v_ticket, 'address', case when m ? 'code' then v.address end,
                            'asksCode', m ? 'code');
end $$;

-- CW400 names what is missing in what was told, before anything is looked for.
create function matching.told(m jsonb, p_values text) returns jsonb immutable language plpgsql set search_path = pg_catalog as $$
declare v jsonb; a jsonb; v_value text; begin
  begin v := p_values; exception when invalid_text_representation or untranslatable_character then v := null; end;
  if (select array_agg(k order by k) from jsonb_object_keys(v) k) is distinct from (select array_agg(x ->> 'field' order by x ->> 'field') from jsonb_array_elements(m -> 'attributes') x) then
    raise exception using errcode = 'CW400',
      message = 'values: give ' || (select string_agg(x ->> 'field', ', ' order by n) from jsonb_array_elements(m -> 'attributes') with ordinality y(x, n)) || ', and nothing else.';
  end if;
  for a in select x from jsonb_array_elements(m -> 'attributes') x loop
    v_value := v ->> (a ->> 'field');
    if jsonb_typeof(v -> (a ->> 'field')) <> 'string' or length(v_value) > 200 or matching.written(v_value, coalesce(a ->> 'normalise', 'AsIs')) is null then
      raise exception using errcode = 'CW400', message = format('values.%s: write %s.', a ->> 'field', case a ->> 'normalise'
        when 'Date' then 'year, month and day, such as 1987-01-31' when 'Digits' then 'its digits, at most 200 characters' else 'a text of 1 to 200 characters' end);
    end if;
  end loop;
  return v;
end $$;

-- One attempt. Whatever is not exactly one free record is one answer, after the same steps: both look-ups, the three counts, one row of the attempt, and
-- one of a ticket or a referral.
create function matching.ask(p_asking uuid, p_sid text, p_address text, p_values text, p_code bytea) returns text language plpgsql security definer
set search_path = pg_catalog as $$
declare o record; s record; f record; v jsonb; v_often boolean; v_taken boolean; v_why text; r matching.referral; w record;
        v_from bytea := sha256(convert_to((select x.value from matching.secret x) || coalesce(p_address, ''), 'UTF8')); begin
  perform pg_advisory_xact_lock(112, consent.bucket(p_asking));                -- before any record's lock, always
  select * into o from matching.offered();
  select * into s from matching.state_of(p_asking);
  if s.state = 'Frozen' then raise exception using errcode = 'CW016', message = 'the link is disputed'; end if;
  if o.m is null then raise exception using errcode = 'CW409', message = 'this department does not let people link their sign-in'; end if;
  if s.state = 'Linked' then raise exception using errcode = 'CW409', message = 'this sign-in is linked to a record already'; end if;
  if s.state = 'Found' then return matching.ticketed(o.m, o.p, p_asking, p_sid, s.subject, p_code)::text; end if;
  v := matching.told(o.m, p_values);
  perform consent.opens_often(array(select a.at from matching.attempt a where a.asking = p_asking and a.at > clock_timestamp() - interval '1 day' order by a.at desc limit 100));
  select * into f from matching.found((o.p).relation, o.m -> 'attributes', v);
  perform consent.lock_person(coalesce(f.near[1], p_asking));
  v_often := matching.too_often(o.m, p_asking, v_from, f.near);
  v_taken := matching.taken(p_asking, f.near[1]);
  select * into w from matching.preview((o.p).relation, (o.p).spec, o.m, f.near[1]);
  v_why := case when v_often then 'TooOften' when cardinality(f.near) = 0 then 'NoRecord' when cardinality(f.near) > 1 then 'Several' when not f.alone then 'NotEqual'
                when v_taken then 'LinkedAlready' when o.m ? 'code' and coalesce(w.address, '') !~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$' then 'NoAddress' end;
  insert into matching.attempt (asking, subject, address, found) values (p_asking, f.near[1], v_from, v_why is null);
  if v_why is null then return matching.ticketed(o.m, o.p, p_asking, p_sid, f.near[1], p_code)::text; end if;
  insert into matching.referral as x (asking, reason, told, subjects) values (p_asking, v_why, v, f.near)
  on conflict (asking, (reason = 'Disputed')) where state in ('Open', 'Approved') do update
    set last_at = clock_timestamp(), attempts = x.attempts + 1, reason = excluded.reason, told = excluded.told, subjects = excluded.subjects
  returning * into r;
  return json_build_object('state', 'Referred', 'reference', matching.reference_of(r))::text;
end $$;

-- That it is theirs. Void: the ticket is not of this sign-in and session, was used, is ten minutes old, or the record has been linked meanwhile. Which of
-- them is not said. A wrong code counts, and the fifth voids the ticket.
create function matching.confirm(p_asking uuid, p_sid text, p_ticket text, p_code bytea) returns text language plpgsql security definer set search_path = pg_catalog as $$
declare t matching.ticket; begin
  perform pg_advisory_xact_lock(112, consent.bucket(p_asking));
  select * into t from matching.ticket where hash = sha256(convert_to(p_ticket, 'UTF8')) and asking = p_asking and sid = p_sid and used_at is null
     and greatest(at + interval '10 minutes', case when code is not null then code_until end) > clock_timestamp() and wrong < 5 for update;
  if not found then return '{"state": "Void"}'; end if;
  if t.code is not null and (t.code is distinct from p_code or t.code_until <= clock_timestamp()) then
    update matching.ticket set wrong = wrong + 1 where hash = t.hash;
    return json_build_object('state', 'WrongCode', 'left', 4 - t.wrong)::text;
  end if;
  perform consent.lock_person(t.subject);
  update matching.ticket set used_at = clock_timestamp() where hash = t.hash;
  if matching.taken(p_asking, t.subject) or exists (select from matching.link l where l.asking = p_asking and l.subject <> t.subject and l.state <> 'Ended') then
    return '{"state": "Void"}';
  end if;
  if not exists (select from matching.link l where l.subject = t.subject and l.asking = p_asking and l.state = 'Linked') then
    insert into consent.event (subject, kind, contract, indicated_by) values (t.subject, 'Linked', '-', 'Account:' || p_asking);
  end if;
  update matching.referral set state = 'Closed', told = null, subject = t.subject, decided_at = clock_timestamp()
   where asking = p_asking and reason <> 'Disputed' and state in ('Open', 'Approved');
  return json_build_object('state', 'Confirmed', 'subject', t.subject)::text;
end $$;

-- Owners and rights

do $$ declare f record; t text; begin
  foreach t in array array['link', 'ticket', 'attempt', 'secret', 'referral'] loop
    execute 'alter table matching.' || t || ' owner to cw_owner';
    execute 'grant select, insert, update, delete on matching.' || t || ' to cw_keeper';
  end loop;
  for f in select p.oid::regprocedure as sig, p.proname as name from pg_proc p where p.pronamespace = 'matching'::regnamespace loop
    execute format('alter function %s owner to %I', f.sig, case when f.name in ('found', 'preview', 'known') then 'cw_scribe'
      when f.name in ('written', 'column_of', 'masked') then 'cw_owner' else 'cw_keeper' end);
    execute format('revoke all on function %s from public', f.sig);
    execute format('grant execute on function %s to cw_keeper', f.sig);
    -- the indexes of a product's table are over `written`, and whoever writes its rows computes them
    if f.name in ('written', 'column_of', 'masked') then execute format('grant execute on function %s to cw_scribe, cw_clerk', f.sig); end if;
    if f.name in ('standing', 'ask', 'confirm') then execute format('grant execute on function %s to person', f.sig); end if;
  end loop;
end $$;
grant usage on schema matching to cw_keeper, cw_scribe, cw_clerk, person;
grant execute on function consent.opens_often(timestamptz[]) to cw_keeper;
