-- An id follows from the text of a key, and up to release 0.1 the text of some numbers was Python's (1E+4 for 10000). The first load under the text that the
-- source prints gives such people the id that every other source gives them, in the transaction of its merge. What is sealed keeps the id that it was sealed
-- with; `consent.renamed` says whose it is, so that people find it.
create table consent.renamed (
  former uuid primary key, now uuid not null check (now <> former),
  product text not null,                        -- uid of the one whose load has found it
  at timestamptz not null default clock_timestamp()
);
create index renamed_now on consent.renamed (now);

-- All ids that a person has had, the present one first; and the present one of an id.
create function consent.names_of(p uuid) returns uuid[] stable parallel safe language sql set search_path = pg_catalog as $$
  select p || array(select former from consent.renamed where now = p order by former) $$;
create function consent.now_of(p uuid) returns uuid stable parallel safe language sql set search_path = pg_catalog as $$
  select coalesce((select now from consent.renamed where former = p), p) $$;

-- Former and present texts of the rows of the load under way, as far as they differ: ids of subjects, and texts of record keys.
create table staging.former (product text not null, record boolean not null, former text not null, now text not null);
create index former_product on staging.former (product);
-- Products that have been merged under the present text of these columns: nothing of theirs is renamed again.
create table staging.canonical (product text primary key, columns text[] not null);

create or replace function staging.forget() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
declare t text; begin
  execute format('drop table if exists staging.%I', old.relation);
  foreach t in array array['progress', 'refused', 'quarantine', 'content', 'former', 'canonical'] loop
    execute format('delete from staging.%I where product = $1', t) using old.uid;
  end loop;
  return null;
end $$;
alter table staging.quarantine drop constraint quarantine_reason_check;
alter table staging.quarantine add constraint quarantine_reason_check
  check (reason in ('NoKey', 'LongKey', 'Missing', 'Mismatch', 'Unreadable', 'DoubleKey', 'MappingFailed'));

-- Everything below up to `rename` is called by a load, as superuser, in the transaction of its merge.

-- Makes the temporary table `renaming` of the pairs of ids whose former one this store knows. Each look-up is one that its table has an index for.
create function staging.find_renamed(p_product text) returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare t text; v_known text := ''; v_count bigint; begin
  create temporary table pair on commit drop as
    select distinct former::uuid as former, now::uuid as now from staging.former where product = p_product and not record
    except select former, now from consent.renamed;
  create temporary table renaming on commit drop as select * from pair limit 0;
  if not exists (select from pair) then return 0; end if;
  analyze pair;
  for t in select relation from agreement.product loop
    v_known := v_known || format('union select p.* from pair p where exists (select from product.%I t where t.subject = p.former) ', t);
  end loop;
  execute 'insert into renaming select p.* from pair p where exists (select from consent.event e where e.subject = p.former) ' || v_known || '
    union select p.* from pair p where exists (select from consent.delegation d where d.subject = p.former)
    union select p.* from pair p where exists (select from consent.delegation d where d.delegate = p.former)
    union select p.* from pair p where exists (select from consent.erased e where e.subject = p.former)
    union select p.* from pair p where exists (select from feed.entry e where e.subject = p.former)
    union select p.* from pair p where exists (select from audit.use u where u.subject = p.former)
    union select p.* from pair p join audit.use u on u.subjects @> array[p.former] and u.subjects is not null';
  get diagnostics v_count = row_count;
  analyze renaming;
  return v_count;
end $$;

-- How many people of `pair` and `renaming` cannot be renamed, for they would become one with somebody else: the former id is the true one of another row or of
-- a product that has been read under the present text; it has become another id before; both have rows of one product; or both have said something about the
-- same thing and the later word would open what the earlier one closed (a later no simply holds).
create function staging.clashes(p_product text, p_relation text) returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare p record; v_count bigint; begin
  create temporary table clash on commit drop as
    select former from pair group by former having count(*) > 1
    union select min(former::text)::uuid from pair group by now having count(*) > 1
    union select r.former from pair r join consent.renamed n on n.former = r.former and n.now <> r.now
    union select r.former from pair r join consent.renamed n on n.former = r.now
    union select r.former from pair r join consent.renamed n on n.now = r.former
    union select r.former from renaming r join consent.delegation d on (d.subject, d.delegate) in ((r.former, r.now), (r.now, r.former))
    union select r.former from renaming r join consent.state f on f.subject = r.former join consent.state s on s.subject = r.now and s.agreement = f.agreement
      where f.consent is not null and s.consent is not null and f.given <> s.given and case when f.consent_at > s.consent_at then f.given else s.given end
         or f.objected_at is not null and s.objected_at is not null and f.objected <> s.objected
            and case when f.objected_at > s.objected_at then s.objected else f.objected end;
  execute format('insert into clash select n.former from consent.renamed n where exists (select from staging.%1$I s where s.subject = n.former)
                  union select r.former from pair r where exists (select from staging.%1$I s where s.subject = r.former)', p_relation);
  for p in select uid, relation from agreement.product loop
    execute format('insert into clash select r.former from renaming r where exists (select from product.%1$I t where t.subject = r.former)
                    and ($1 or exists (select from product.%1$I t where t.subject = r.now))', p.relation)
      using p.uid <> p_product and exists (select from staging.canonical c where c.product = p.uid);
  end loop;
  select count(distinct former) into v_count from clash;
  return v_count;
end $$;

-- What other sites were told, or tell, of a delegation or an erasure, under present ids.
create function feed.renamed(p_detail jsonb) returns jsonb stable language sql set search_path = pg_catalog as $$
  select p_detail || coalesce((select jsonb_object_agg(k, consent.now_of((p_detail ->> k)::uuid)) from unnest(array['subject', 'delegate']) k where p_detail ? k), '{}') $$;

-- Gives the people of `renaming` their present id wherever the store keeps one that is not sealed. The caller has locked everybody.
create function staging.rename(p_product text) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare p record; begin
  insert into consent.renamed (former, now, product) select former, now, p_product from renaming on conflict (former) do nothing;
  insert into agreement.allowance as a (agreement, whole, subject, since, taken, until)
    select f.agreement, f.whole, r.now, f.since, f.taken, f.until from agreement.allowance f join renaming r on r.former = f.subject
    on conflict (agreement, whole, subject) do update
      set since = least(a.since, excluded.since), taken = a.taken + excluded.taken, until = greatest(a.until, excluded.until);
  delete from agreement.allowance a using renaming r where a.subject = r.former;
  insert into consent.state as s (subject, agreement, consent, consent_at, valid_until, objected, objected_at)
    select r.now, f.agreement, f.consent, f.consent_at, f.valid_until, f.objected, f.objected_at from consent.state f join renaming r on r.former = f.subject
    on conflict (subject, agreement) do update set
      consent = case when excluded.consent_at > coalesce(s.consent_at, '-infinity') then excluded.consent else s.consent end,
      valid_until = case when excluded.consent_at > coalesce(s.consent_at, '-infinity') then excluded.valid_until else s.valid_until end,
      consent_at = greatest(s.consent_at, excluded.consent_at),
      objected = case when excluded.objected_at > coalesce(s.objected_at, '-infinity') then excluded.objected else s.objected end,
      objected_at = greatest(s.objected_at, excluded.objected_at);
  delete from consent.state s using renaming r where s.subject = r.former;
  delete from consent.erased e using renaming r where e.subject = r.former
    and exists (select from consent.erased x where x.product = e.product and x.subject = r.now);
  update consent.erased e set subject = r.now from renaming r where e.subject = r.former;
  perform set_config('session_replication_role', 'replica', true);              -- a delegation is never changed, but for whom it names
  update consent.delegation d set subject = consent.now_of(d.subject), delegate = consent.now_of(d.delegate) from renaming r where r.former in (d.subject, d.delegate);
  perform set_config('session_replication_role', 'origin', true);
  update feed.entry e set subject = consent.now_of(e.subject), detail = feed.renamed(e.detail) from renaming r
    where e.subject = r.former or e.detail ->> 'delegate' = r.former::text;
  update link.entry e set subject = r.now from renaming r where e.subject = r.former;
  update staging.quarantine q set subject = r.now from renaming r where q.subject = r.former;
  for p in select uid, relation from agreement.product loop
    execute format('update product.%I t set subject = r.now, _consent = coalesce(w.consent, ''{}''), _objection = coalesce(w.objection, ''{}''),
                    _lapse = coalesce(w.lapse, ''infinity'') from renaming r left join consent.standings w on w.product = $1 and w.subject = r.now
                    where t.subject = r.former', p.relation) using p.uid;
  end loop;
end $$;

-- Record keys of one product, where the former text is not at the same time the present one of another record of that person.
create function staging.rename_records(p_product text, p_relation text) returns void language plpgsql set search_path = pg_catalog as $$ begin
  execute format('update product.%1$I t set record = m.now from (select distinct former, now from staging.former where product = $1 and record) m
                  where t.record = m.former and not exists (select from product.%1$I x where x.subject = t.subject and x.record = m.now)
                    and not exists (select from staging.%1$I s where s.subject = t.subject and s.record = t.record)
                    and exists (select from staging.%1$I s where s.subject = t.subject and s.record = m.now)', p_relation) using p_product;
end $$;

-- What people and their delegates are shown, under whichever of their ids it was written.

create or replace function audit.shown_to(p_subject uuid, u audit.use) returns boolean stable language sql security definer set search_path = pg_catalog as $$
  select coalesce(u.subject = any (consent.names_of(p_subject)) or u.subjects && consent.names_of(p_subject), false)
         and coalesce((select audit.told(c.content, u.at) from agreement.contract c where c.hash = u.contract), false) $$;

create or replace function person.use_items(p_subject uuid, p_names text[], p_before bigint, p_most int) returns table (id bigint, item json)
stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
  with u as (
    select l.* from unnest(consent.names_of(p_subject)) s cross join lateral (
      (select x as use, c.content from audit.use x join agreement.contract c on c.hash = x.contract
        where x.subject = s and x.id < p_before and audit.told(c.content, x.at) and (p_names is null or c.content ->> 'name' = any (p_names))
        order by x.id desc limit p_most)
      union all
      (select x, c.content from audit.use x join agreement.contract c on c.hash = x.contract
        where x.subjects @> array[s] and x.subjects is not null and x.id < p_before and audit.told(c.content, x.at)
          and (p_names is null or c.content ->> 'name' = any (p_names))
        order by x.id desc limit p_most)) l
  )
  select (p.use).id, json_build_object(
      'id', (p.use).id::text, 'at', (p.use).at, 'client', (p.use).client, 'caller', (p.use).caller, 'agreement', p.content ->> 'name',
      'product', p.content ->> 'product', 'consumer', p.content ->> 'consumer',
      'purpose', coalesce((select x from jsonb_array_elements(p.content -> 'purposes') x where x ->> 'key' = (p.use).purpose), jsonb_build_object('key', (p.use).purpose)),
      'basis', coalesce((p.use).basis, p.content ->> 'basis'), 'legalPower', p.content ->> 'legalPower',
      'fields', coalesce(to_jsonb(string_to_array((p.use).fields, ',')), p.content -> 'fields'), 'given', (p.use).found > 0)
  from u p order by 1 desc limit p_most $$;

-- Evidence names the former ids beside the row, which veils the one that it was sealed with.
create or replace function person.use_evidence(p_actor uuid, p_subject uuid, p_id bigint) returns text
stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_sight text[] := consent.sight(p_actor, p_subject); v_ids uuid[] := consent.names_of(p_subject); u audit.use; begin
  select * into u from audit.use where id = p_id and (subject = any (v_ids) or subjects && v_ids);
  if not found or not audit.shown_to(p_subject, u)
     or v_sight is not null and not exists (select from agreement.register r where r.number = u.agreement and r.name = any (v_sight)) then
    raise exception using errcode = 'CW404', message = 'no such use';
  end if;
  return json_build_object('kind', 'use', 'number', u.id, 'row', convert_from(audit.use_bytes(u), 'UTF8'), 'seal', audit.sealed_in(u.tx), 'former', v_ids[2:])::text;
end $$;

create or replace function person.event_evidence(p_actor uuid, p_subject uuid, p_seq bigint) returns text
stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_sight text[] := consent.sight(p_actor, p_subject); v_ids uuid[] := consent.names_of(p_subject); e consent.event; begin
  select * into e from consent.event where seq = p_seq and subject = any (v_ids);
  if not found or v_sight is not null and not exists (select from agreement.register r where r.number = e.agreement and r.name = any (v_sight)) then
    raise exception using errcode = 'CW404', message = 'no such event';
  end if;
  return json_build_object('kind', 'event', 'number', e.seq, 'row', convert_from(audit.event_bytes(e), 'UTF8'), 'seal', audit.sealed_in(e.tx), 'former', v_ids[2:])::text;
end $$;

create or replace function person.receipts(p_actor uuid, p_subject uuid, p_before bigint, p_most int) returns text
stable language plpgsql security definer set search_path = pg_catalog as $$
declare v_sight text[] := consent.sight(p_actor, p_subject); begin
  return (select json_build_object('items', coalesce(json_agg(person.receipted(p.e) order by (p.e).seq desc), '[]'),
                                   'next', case when count(*) = p_most then min((p.e).seq)::text end)::text
          from (select x as e from consent.event x join agreement.register r on r.number = x.agreement
                where x.subject = any (consent.names_of(p_subject)) and x.seq < p_before and (v_sight is null or r.name = any (v_sight))
                order by x.seq desc limit p_most) p);
end $$;

create or replace function person.newest(p_actor uuid, p_subject uuid, p_agreement text) returns text
volatile language plpgsql security definer set search_path = pg_catalog as $$
declare e consent.event; begin
  select x.* into e from consent.event x join agreement.register r on r.number = x.agreement
   where x.subject = any (consent.names_of(p_subject)) and r.name = p_agreement
     and (p_actor = p_subject or split_part(x.indicated_by, ':', 2) = any (consent.names_of(p_actor)::text[]))
   order by x.seq desc limit 1;
  return case when found then person.receipted(e)::text end;
end $$;

-- The events that concern a person include those of former ids; the rest is as it was.
create or replace function person.export(p_actor uuid, p_subject uuid) returns text stable language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$ begin
  perform consent.indicated(p_actor, p_subject, 'Export', null, null);
  return json_build_object(
    'subject', p_subject, 'at', statement_timestamp(),
    'department', (select json_build_object('name', name, 'displayName', display_name, 'contact', contact) from agreement.department),
    'products', (select coalesce(json_agg(json_build_object('product', p.name, 'title', p.spec -> 'title', 'version', p.spec -> 'version', 'owner', p.spec -> 'owner',
        'records', consent.records_of(p_subject, p.uid), 'erased', exists (select from consent.erased e where e.product = split_part(p.uid, '@', 1) and e.subject = p_subject),
        'portableFields', (select coalesce(jsonb_agg(distinct f order by f), '[]') from agreement.register r join agreement.rights g on g.basis = r.spec #>> '{basis,type}',
                           jsonb_array_elements(r.spec -> 'fields') f where r.product = p.uid and r.in_force and g.portability)) order by p.name), '[]') from agreement.product p),
    'agreements', (select coalesce(json_agg(person.shown(p_subject, c)), '[]') from person.concerned(p_subject) c),
    'events', (select coalesce(json_agg(json_build_object('at', e.at, 'agreement', r.name, 'kind', e.kind, 'indicatedBy', e.indicated_by, 'until', e.valid_until,
                                                          'contract', e.contract) order by e.seq), '[]')
               from consent.event e join agreement.register r on r.number = e.agreement where e.subject = any (consent.names_of(p_subject))),
    'delegations', (select coalesce(json_agg(consent.shown_delegation(d.delegation) order by d.seq), '[]') from consent.delegations d where p_subject in (d.subject, d.delegate)),
    'uses', (select coalesce(json_agg(i.item order by i.id desc), '[]') from person.use_items(p_subject, null, 9223372036854775807, 10000) i))::text;
end $$;

-- What another site tells under an id that is a former one here is about the person of the present one; a site renames when it loads the product itself.
create or replace function feed.take(p_peer text, p_after bigint, p_asked timestamptz, p_page text, out taken int, out applied int)
language plpgsql security definer set search_path = pg_catalog set enable_seqscan = off as $$
declare me feed.self; peer feed.peer; d jsonb := p_page; e jsonb; f feed.entry; v_seq bigint; begin
  taken := 0; applied := 0;
  perform feed.hold(array(select consent.now_of((x ->> 'subject')::uuid) from jsonb_array_elements(d -> 'entries') x));
  select * into strict me from feed.self;
  select * into peer from feed.peer where name = p_peer for update;
  if not found or d ->> 'site' <> p_peer then raise exception using errcode = 'CW470', message = 'a page of another site'; end if;
  if peer.epoch::text is distinct from d ->> 'epoch' then
    if p_after <> 0 then raise exception using errcode = 'CW471', message = 'the list begins anew'; end if;
  elsif p_after <> peer.taken then raise exception using errcode = 'CW472', message = 'the page does not follow the last one'; end if;
  if peer.epoch::text is distinct from d ->> 'epoch' or peer.agreements is distinct from d -> 'agreements' then
    update feed.peer set epoch = (d ->> 'epoch')::uuid, agreements = d -> 'agreements' where name = p_peer;
  end if;
  perform agreement.end_nonce(x ->> 'nonce', (x ->> 'until')::timestamptz, 'Revoked') from jsonb_array_elements(coalesce(d -> 'ended', '[]')) x
  where not exists (select from agreement.nonce n where n.nonce = x ->> 'nonce' and n.ended_at is not null);
  select coalesce(max(seq), 0) into v_seq from feed.entry;
  for e in select x from jsonb_array_elements(d -> 'entries') with ordinality o(x, n) order by n loop
    taken := taken + 1;
    if (e ->> 'seq')::bigint is distinct from p_after + taken then raise exception using errcode = 'CW472', message = 'a number is missing'; end if;
    continue when e ->> 'origin' = me.site and e ->> 'epoch' = me.epoch::text;
    insert into feed.entry (seq, origin, epoch, number, kind, subject, agreement, product, incarnation, shown, at, stamp, valid_until, indicated_by, detail, held,
                            waiting)
    values (v_seq + 1, e ->> 'origin', (e ->> 'epoch')::uuid, (e ->> 'number')::bigint, e ->> 'kind', consent.now_of((e ->> 'subject')::uuid), e ->> 'agreement', e ->> 'product',
            (e ->> 'incarnation')::int, e ->> 'shown', (e ->> 'at')::timestamptz, (e ->> 'stamp')::timestamptz, (e ->> 'until')::timestamptz, e ->> 'by', feed.renamed(nullif(e -> 'detail', 'null')), false, true)
    on conflict (origin, epoch, number) do nothing returning * into f;
    if f.seq is not null then
      v_seq := f.seq;
      applied := applied + feed.apply(f)::int;
    end if;
  end loop;
  if taken > 0 or peer.epoch::text is distinct from d ->> 'epoch' then
    update feed.peer set taken = p_after + take.taken, seen = coalesce((d #>> array['entries', '-1', 'stamp'])::timestamptz, seen) where name = p_peer;
  end if;
  if not (d ->> 'more')::boolean then perform feed.hear(p_peer, p_asked); end if;
end $$;

do $$ declare t text; begin
  foreach t in array array['table consent.renamed', 'table staging.former', 'table staging.canonical', 'function consent.names_of(uuid)',
                           'function consent.now_of(uuid)', 'function feed.renamed(jsonb)'] loop
    execute 'alter ' || t || ' owner to cw_owner';
  end loop;
  foreach t in array array['consent.names_of(uuid)', 'consent.now_of(uuid)', 'feed.renamed(jsonb)', 'staging.find_renamed(text)', 'staging.clashes(text, text)',
                           'staging.rename(text)', 'staging.rename_records(text, text)'] loop
    execute 'revoke all on function ' || t || ' from public';
  end loop;
end $$;
grant select on consent.renamed to cw_keeper, cw_clerk;
grant execute on function consent.names_of(uuid), consent.now_of(uuid) to cw_keeper, cw_clerk;
grant execute on function feed.renamed(jsonb) to cw_keeper;
