-- Complaints: what a person finds wrong, and what the department answers within its own term. Words and answers are kept here, for the person and for the
-- department's registrars; that they were said is an event of the person's chain, by the hash of the words, so it is under the seals and in no auditor's copy.

-- An event about no agreement decides nothing: it stands in the person's chain, and neither state nor rows follow from it.
alter table consent.event alter column agreement drop not null;
alter table consent.event add column said text;
comment on column consent.event.said is 'SHA-256, in hexadecimal, of the words that are kept elsewhere: of a complaint, or of its answer';
create unique index event_said on consent.event (said) where said is not null;
create index event_complained on consent.event (seq) where kind = 'Complained';
do $$ declare c record; begin
  for c in select conname, pg_get_expr(conbin, conrelid) as rule from pg_constraint
            where conrelid = 'consent.event'::regclass and contype = 'c' and conname in ('event_kind_check', 'event_about') loop
    execute format('alter table consent.event drop constraint %I', c.conname);
    execute format('alter table consent.event add constraint %I check (%s or kind in (''Complained'', ''ComplaintAnswered''))', c.conname, c.rule);
  end loop;
end $$;
alter table consent.event add constraint event_words
  check ((kind in ('Complained', 'ComplaintAnswered')) = (said is not null) and (said is null or agreement is null));

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
drop trigger b_state on consent.event;
create trigger b_state after insert on consent.event for each row when (new.agreement is not null) execute function consent.to_state();

create table consent.complaint (
  id uuid primary key,
  subject uuid not null,
  indicated_by text not null,
  about jsonb not null,                          -- {"use": id}, {"agreement": name}, {"link": true}, or {}: the department
  agreement text,                                -- name of the agreement that it is about, also by way of a use
  words text not null check (char_length(words) between 1 and 2000),
  made timestamptz not null, due timestamptz not null,
  said text not null unique                      -- `said` of its event
);
create index complaint_subject on consent.complaint (subject, made);
-- Every answer there has been; the last one counts.
create table consent.complaint_answer (
  complaint uuid not null references consent.complaint (id),
  n int not null check (n > 0),
  state text not null check (state in ('Answered', 'Upheld', 'NotUpheld')),
  answer jsonb not null,
  at timestamptz not null, made_by text not null,
  said text not null unique,
  primary key (complaint, n)
);
create trigger frozen   before update or delete on consent.complaint for each row execute function consent.frozen();
create trigger frozen_t before truncate on consent.complaint for each statement execute function consent.frozen();
create trigger frozen   before update or delete on consent.complaint_answer for each row execute function consent.frozen();
create trigger frozen_t before truncate on consent.complaint_answer for each statement execute function consent.frozen();
alter table agreement.department add column complaint_days int not null default 30;

-- What an event's `said` is the hash of: the person can make it again from what /me/complaints shows.
create function consent.said_of(c consent.complaint) returns text immutable language sql set search_path = pg_catalog as $$
  select encode(sha256(convert_to(jsonb_build_array('complaint', c.id, c.about, c.words)::text, 'UTF8')), 'hex') $$;
create function consent.said_of(a consent.complaint_answer) returns text immutable language sql set search_path = pg_catalog as $$
  select encode(sha256(convert_to(jsonb_build_array('answer', a.complaint, a.n, a.state, a.answer)::text, 'UTF8')), 'hex') $$;

-- Every complaint with the number of its event and how it stands.
create view consent.complaints as
  select c.*, e.seq, coalesce(a.state, 'Open') as state, a.answer, a.at as answered_at, coalesce(a.n, 0) as answers, s.seq as answer_event
  from consent.complaint c join consent.event e on e.said = c.said
  left join lateral (select * from consent.complaint_answer x where x.complaint = c.id order by x.n desc limit 1) a on true
  left join consent.event s on s.said = a.said;

create function consent.shown_complaint(c consent.complaints) returns jsonb stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
  select jsonb_build_object('id', c.id, 'about', c.about, 'text', c.words, 'made', c.made, 'due', c.due, 'state', c.state, 'indicatedBy', c.indicated_by,
                            'event', c.seq::text, 'answer', c.answer, 'answeredAt', c.answered_at, 'answerEvent', c.answer_event::text) $$;

-- How `p_actor` may complain for `p_subject`: by the act Object, which is to speak against something; it decides nothing, so an agreement need not list the
-- type. Null: about no agreement, for which a delegation has to cover all of them.
create function consent.speaks(p_actor uuid, p_subject uuid, p_agreement text) returns text stable language sql security definer set search_path = pg_catalog as $$
  select consent.indicated(p_actor, p_subject, 'Object', p_agreement, '["Parent", "Attorney", "Adviser"]') $$;

-- CW015 with the seconds to wait once as many stand within a day as may: the times are the newest first.
create function consent.complains_often(p_times timestamptz[], p_most int) returns void stable language plpgsql set search_path = pg_catalog as $$ begin
  if cardinality(p_times) >= p_most then
    raise exception using errcode = 'CW015', message = greatest(1, ceil(extract(epoch from p_times[p_most] + interval '1 day' - clock_timestamp())))::bigint::text;
  end if;
end $$;

-- At most one of what it is about is given. Ten a day of a person; the right to act is looked at before whether there is such a use.
create function person.complain(p_actor uuid, p_subject uuid, p_use bigint, p_agreement text, p_link boolean, p_words text) returns text
language plpgsql security definer set search_path = pg_catalog as $$
declare c consent.complaint; u audit.use; v consent.complaints; begin
  c.agreement := p_agreement;
  if p_use is not null then
    select * into u from audit.use where id = p_use and (subject = any (consent.names_of(p_subject)) or subjects && consent.names_of(p_subject));
    if found and audit.shown_to(p_subject, u) then select name into c.agreement from agreement.register where number = u.agreement; end if;
  end if;
  c.indicated_by := consent.speaks(p_actor, p_subject, c.agreement);
  if p_use is not null and c.agreement is null then raise exception using errcode = 'CW404', message = 'no such use'; end if;
  if p_agreement is not null then c.agreement := (person.agreement_of(p_agreement, false)).name; end if;
  perform consent.lock_person(p_subject);
  perform consent.complains_often(array(select x.made from consent.complaint x
    where x.subject = any (consent.names_of(p_subject)) and x.made > clock_timestamp() - interval '1 day' order by x.made desc limit 10), 10);
  c.id := gen_random_uuid(); c.subject := p_subject; c.words := p_words; c.made := clock_timestamp();
  c.about := jsonb_strip_nulls(jsonb_build_object('use', p_use::text, 'agreement', p_agreement, 'link', p_link));
  c.due := c.made + make_interval(days => coalesce((select complaint_days from agreement.department), 30));
  c.said := consent.said_of(c);
  insert into consent.complaint select (c).*;
  insert into consent.event (subject, kind, contract, indicated_by, said) values (p_subject, 'Complained', '-', c.indicated_by, c.said);
  select * into strict v from consent.complaints where id = c.id;
  return consent.shown_complaint(v)::text;
end $$;

-- Newest first. Whoever acts for a person sees what they said themselves: what the person has said may be about them.
create function person.complaints(p_actor uuid, p_subject uuid, p_before bigint, p_most int) returns text stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_sight text[] := consent.sight(p_actor, p_subject); begin
  return (select jsonb_build_object('items', coalesce(jsonb_agg(consent.shown_complaint(p.c) order by (p.c).seq desc), '[]'),
                                    'next', case when count(*) = p_most then min((p.c).seq)::text end)::text
          from (select x as c from consent.complaints x
                 where x.subject = any (consent.names_of(p_subject)) and x.seq < p_before
                   and (p_actor = p_subject or split_part(x.indicated_by, ':', 2) = any (consent.names_of(p_actor)::text[]))
                   and (v_sight is null or x.agreement = any (v_sight))
                 order by x.seq desc limit p_most) p);
end $$;

-- For registrars: whose it is, and whether it is overdue.
create function registrar.shown_complaint(c consent.complaints) returns jsonb stable language sql security definer set search_path = pg_catalog as $$
  select consent.shown_complaint(c) || jsonb_build_object('subject', consent.now_of(c.subject), 'overdue', c.state = 'Open' and c.due < statement_timestamp()) $$;

create function registrar.complaints(p_client text, p_state text, p_before bigint, p_most int) returns text stable language plpgsql security definer set search_path = pg_catalog as $$ begin
  perform registrar.checked(p_client);
  return (select jsonb_build_object('items', coalesce(jsonb_agg(registrar.shown_complaint(p.c) order by (p.c).seq desc), '[]'),
                                    'next', case when count(*) = p_most then min((p.c).seq)::text end)::text
          from (select x as c from consent.complaints x where x.seq < p_before and (p_state is null or x.state = p_state) order by x.seq desc limit p_most) p);
end $$;

-- The same answer again adds nothing; another one takes its place, and the former is kept. Twenty a day of one complaint.
create function registrar.answer_complaint(p_client text, p_id uuid, p_state text, p_answer text) returns text language plpgsql security definer set search_path = pg_catalog as $$
declare v_by text := registrar.checked(p_client); c consent.complaint; a consent.complaint_answer; v consent.complaints; begin
  select * into c from consent.complaint where id = p_id;
  if not found then raise exception using errcode = 'CW404', message = 'no such complaint'; end if;
  perform consent.lock_person(c.subject);
  select * into a from consent.complaint_answer where complaint = p_id order by n desc limit 1;
  if a.complaint is null or (a.state, a.answer) is distinct from (p_state, p_answer::jsonb) then
    perform consent.complains_often(array(select x.at from consent.complaint_answer x where x.complaint = p_id and x.at > clock_timestamp() - interval '1 day'
                                          order by x.n desc limit 20), 20);
    a := row(p_id, coalesce(a.n, 0) + 1, p_state, p_answer::jsonb, clock_timestamp(), v_by, null)::consent.complaint_answer;
    a.said := consent.said_of(a);
    insert into consent.complaint_answer select (a).*;
    insert into consent.event (subject, kind, contract, indicated_by, said) values (c.subject, 'ComplaintAnswered', '-', v_by, a.said);
  end if;
  select * into strict v from consent.complaints where id = p_id;
  return registrar.shown_complaint(v)::text;
end $$;

-- For the keeper's report. A copy that is not the department's authority counts nothing.
create function consent.complaint_count(out open bigint, out overdue bigint, out since timestamptz) stable language sql set search_path = pg_catalog as $$
  select count(*), count(*) filter (where c.due < statement_timestamp()), min(c.due) filter (where c.due < statement_timestamp())
  from consent.complaint c where not exists (select from consent.complaint_answer a where a.complaint = c.id) and not exists (select from move.standing) $$;

-- What a person takes along, in words as they are told, has what they complained of; who acts for them takes what they said themselves.
create or replace function person.export(p_actor uuid, p_subject uuid) returns text stable language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$ begin
  perform consent.indicated(p_actor, p_subject, 'Export', null, null);
  return json_build_object(
    'subject', p_subject, 'at', statement_timestamp(),
    'department', (select json_build_object('name', name, 'displayName', person.said(display_name, display_name_cy), 'contact', contact) from agreement.department),
    'products', (select coalesce(json_agg(json_build_object('product', p.name, 'title', person.said(p.spec ->> 'title', p.spec #>> '{cy,title}'), 'version', p.spec -> 'version', 'owner', p.spec -> 'owner',
        'records', consent.records_of(p_subject, p.uid), 'erased', exists (select from consent.erased e where e.product = split_part(p.uid, '@', 1) and e.subject = p_subject),
        'portableFields', (select coalesce(jsonb_agg(distinct f order by f), '[]') from agreement.register r join agreement.rights g on g.basis = r.spec #>> '{basis,type}',
                           jsonb_array_elements(r.spec -> 'fields') f where r.product = p.uid and r.in_force and g.portability)) order by p.name), '[]') from agreement.product p),
    'agreements', (select coalesce(json_agg(person.shown(p_subject, c)), '[]') from person.concerned(p_subject) c),
    'events', (select coalesce(json_agg(json_build_object('at', e.at, 'agreement', r.name, 'kind', e.kind, 'indicatedBy', e.indicated_by, 'until', e.valid_until,
                                                          'contract', e.contract) order by e.seq), '[]')
               from consent.event e join agreement.register r on r.number = e.agreement where e.subject = any (consent.names_of(p_subject))),
    'complaints', (select coalesce(jsonb_agg(consent.shown_complaint(c) order by c.seq), '[]') from consent.complaints c
                    where c.subject = any (consent.names_of(p_subject)) and (p_actor = p_subject or split_part(c.indicated_by, ':', 2) = any (consent.names_of(p_actor)::text[]))),
    'delegations', (select coalesce(json_agg(consent.shown_delegation(d.delegation) order by d.seq), '[]') from consent.delegations d where p_subject in (d.subject, d.delegate)),
    'uses', (select coalesce(json_agg(i.item order by i.id desc), '[]') from person.use_items(p_subject, null, 9223372036854775807, 10000) i))::text;
end $$;

-- A department that moves takes along what is said meanwhile; how far it has come is told by the events.
create or replace function move.words(p_after jsonb) returns jsonb language sql set search_path = pg_catalog set timezone = 'UTC' as $$
  select jsonb_build_object(
    'events', coalesce((select jsonb_agg(to_jsonb(e) order by e.seq) from consent.event e where e.seq > (p_after ->> 'events')::bigint), '[]'),
    'delegations', coalesce((select jsonb_agg(to_jsonb(d) order by d.seq) from consent.delegation d where d.seq > (p_after ->> 'delegations')::bigint), '[]'),
    'erased', coalesce((select jsonb_agg(to_jsonb(x) order by x.seq) from consent.erased x where x.seq > (p_after ->> 'erased')::bigint), '[]'),
    'complaints', coalesce((select jsonb_agg(to_jsonb(c) order by e.seq) from consent.complaint c join consent.event e on e.said = c.said
                            where e.seq > (p_after ->> 'events')::bigint), '[]'),
    'answers', coalesce((select jsonb_agg(to_jsonb(a) order by e.seq) from consent.complaint_answer a join consent.event e on e.said = a.said
                         where e.seq > (p_after ->> 'events')::bigint), '[]'),
    'reached', to_jsonb(move.reached())) $$;

create or replace function move.take(p_words jsonb) returns bigint language plpgsql set search_path = pg_catalog set timezone = 'UTC' as $$
declare e consent.event; v_had bytea; v_prev bytea; v_new bigint := 0; x jsonb; begin
  if not exists (select from move.standing where state = 'Arrived') then raise exception 'this store has not arrived'; end if;
  perform pg_advisory_xact_lock(1, b) from (select distinct consent.bucket((w ->> 'subject')::uuid) as b
    from jsonb_array_elements(p_words -> 'events') w order by 1) buckets;
  for e in select * from jsonb_populate_recordset(null::consent.event, p_words -> 'events') order by seq loop
    select hash into v_had from consent.event where seq = e.seq;
    continue when found and v_had = e.hash or exists (select from consent.event x where x.said = e.said);
    select hash into v_prev from consent.event where subject = e.subject order by seq desc limit 1;
    v_new := v_new + 1;
    if v_had is null and v_prev is not distinct from e.prev and e.hash = sha256(coalesce(e.prev, ''::bytea) || consent.event_bytes(e)) then
      e.tx := pg_current_xact_id();
      alter table consent.event disable trigger a_chain;
      insert into consent.event select (e).*;
      alter table consent.event enable trigger a_chain;
      perform setval('consent.event_seq', greatest(e.seq, (select last_value from consent.event_seq)));
    else
      insert into consent.event (subject, agreement, kind, contract, indicated_by, valid_until, said)
      values (e.subject, e.agreement, e.kind, e.contract, e.indicated_by, e.valid_until, e.said);
    end if;
  end loop;
  for x in select * from jsonb_array_elements(p_words -> 'delegations') loop perform consent.carry_delegation(x); end loop;
  for x in select * from jsonb_array_elements(p_words -> 'erased') loop
    perform consent.erase_rows((x ->> 'subject')::uuid, x ->> 'product', x ->> 'indicated_by');
  end loop;
  insert into consent.complaint select * from jsonb_populate_recordset(null::consent.complaint, coalesce(p_words -> 'complaints', '[]')) on conflict do nothing;
  insert into consent.complaint_answer select * from jsonb_populate_recordset(null::consent.complaint_answer, coalesce(p_words -> 'answers', '[]')) on conflict do nothing;
  return v_new + jsonb_array_length(p_words -> 'delegations') + jsonb_array_length(p_words -> 'erased');
end $$;

-- Owners and rights

do $$ declare t text; begin
  foreach t in array array['table consent.complaint', 'table consent.complaint_answer', 'function consent.said_of(consent.complaint)',
                           'function consent.said_of(consent.complaint_answer)', 'function consent.complains_often(timestamptz[], int)'] loop
    execute 'alter ' || t || ' owner to cw_owner';
  end loop;
  alter view consent.complaints owner to cw_keeper;
  revoke all on function consent.complaint_count(), consent.said_of(consent.complaint), consent.said_of(consent.complaint_answer),
    consent.complains_often(timestamptz[], int) from public;
  foreach t in array array['consent.shown_complaint(consent.complaints)', 'consent.speaks(uuid, uuid, text)', 'registrar.shown_complaint(consent.complaints)',
                           'person.complain(uuid, uuid, bigint, text, boolean, text)', 'person.complaints(uuid, uuid, bigint, int)',
                           'registrar.complaints(text, text, bigint, int)', 'registrar.answer_complaint(text, uuid, text, text)'] loop
    execute 'alter function ' || t || ' owner to cw_clerk';
    execute 'revoke all on function ' || t || ' from public';
  end loop;
end $$;
grant select on consent.complaint, consent.complaint_answer to cw_keeper, cw_clerk;
grant insert on consent.complaint, consent.complaint_answer to cw_clerk;
grant select on consent.complaints to cw_clerk;
grant insert (said) on consent.event to cw_clerk;
grant execute on function consent.said_of(consent.complaint), consent.said_of(consent.complaint_answer), consent.complains_often(timestamptz[], int) to cw_clerk;
grant execute on function person.complain(uuid, uuid, bigint, text, boolean, text), person.complaints(uuid, uuid, bigint, int) to person;
grant execute on function registrar.complaints(text, text, bigint, int), registrar.answer_complaint(text, uuid, text, text) to api;
