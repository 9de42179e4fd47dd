-- Everything held about one person, for that person; and its erasure where the bases leave it. cw_scribe may read and delete rows of products, and
-- only these two functions run as it.
do $$ begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'cw_scribe') then create role cw_scribe; end if;
  alter role cw_scribe nologin nosuperuser nocreatedb nocreaterole noinherit noreplication nobypassrls;
end $$;
do $$ declare t text; begin
  for t in select relation from agreement.product loop
    execute format('grant select, delete on product.%I to cw_scribe', t);
    execute format('create policy scribe on product.%I to cw_scribe using (true)', t);
  end loop;
end $$;
grant usage on schema product, consent, agreement to cw_scribe;

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
alter table consent.erased owner to cw_owner;
grant select, insert (product, subject, indicated_by) on consent.erased to cw_scribe;
grant select on consent.erased to cw_keeper, cw_clerk;

-- As in 003; and whoever has been erased does not come back, whatever the source says.
create or replace function consent.on_arrival() returns trigger language plpgsql security definer set search_path = pg_catalog as $$ begin
  perform consent.lock_person(new.subject);
  if exists (select from consent.erased e where e.product = split_part(tg_argv[0], '@', 1) and e.subject = new.subject) then return null; end if;
  select s.consent, s.objection, s.lapse into new._consent, new._objection, new._lapse from consent.standing(new.subject, tg_argv[0]) s;
  return new;
end $$;

-- The records of one person in one product: its fields under their names, nothing of the store's own columns.
create function consent.records_of(p_subject uuid, p_uid text) returns jsonb stable language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
declare p agreement.product; v jsonb; begin
  select * into p from agreement.product where uid = p_uid;
  execute format('select jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text) from product.%I t where t.subject = $1', p.relation) into v using p_subject;
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

-- CW409 names what stands in the way: a product whose source alone can erase, or agreements in force on a basis that leaves no erasure.
create function person.erase(p_actor uuid, p_subject uuid, p_product text) returns text language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
declare p agreement.product; v_base text; v_names text; v_rows bigint; begin
  if p_actor is distinct from p_subject then raise exception using errcode = 'CW403', message = 'only the person has records erased'; end if;
  select * into p from agreement.product where name = p_product;
  if not found then raise exception using errcode = 'CW404', message = 'no such product'; end if;
  v_base := split_part(p.uid, '@', 1);
  if p.spec #>> '{rights,erasure}' is distinct from 'Supported' then
    raise exception using errcode = 'CW409', message = 'records of this product are erased at their source: ask its owner';
  end if;
  select string_agg(r.name, ', ' order by r.name) into v_names from agreement.register r left join agreement.rights g on g.basis = r.spec #>> '{basis,type}'
   where r.in_force and split_part(r.product, '@', 1) = v_base and (r.spec #>> '{validity,until}')::timestamptz > clock_timestamp()
     and coalesce(g.erasure, 'None') <> 'OnRequest';
  if v_names is not null then raise exception using errcode = 'CW409', message = 'these agreements rest on a basis without erasure: ' || v_names; end if;
  perform set_config('synchronous_commit', 'on', true);
  v_rows := consent.erase(p_subject, v_base, 'subject');
  return (select json_build_object('product', p_product, 'state', 'Erased', 'erased', v_rows, 'at', e.at, 'atSource', case when e.at_source is null then 'Awaited' else 'Done' end)
          from consent.erased e where e.product = v_base and e.subject = p_subject)::text;
end $$;

-- From another site of the department. A product that is not here is passed over.
create function consent.carry_erasure(p_row jsonb) returns void language sql security definer set search_path = pg_catalog as $$
  select consent.erase((p_row ->> 'subject')::uuid, p.uid, coalesce(p_row ->> 'indicated_by', 'feed')) from agreement.product p
   where p.name = p_row ->> 'product' and not exists (select from consent.erased e where e.product = p.uid and e.subject = (p_row ->> 'subject')::uuid) $$;
create function consent.erasures_after(p_seq bigint) returns table (seq bigint, tx xid8, entry jsonb) stable language sql security definer set search_path = pg_catalog as $$
  select e.seq, e.tx, jsonb_build_object('product', p.name, 'subject', e.subject, 'indicated_by', e.indicated_by) from consent.erased e join agreement.product p on p.uid = e.product
   where e.seq > p_seq order by e.seq $$;

-- Everything held about the person. `portableFields`: what they may take elsewhere, for it is used under a basis with portability.
create function person.export(p_actor uuid, p_subject uuid) returns text stable language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$ begin
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
               from consent.event e join agreement.register r on r.number = e.agreement where e.subject = p_subject),
    'delegations', (select coalesce(json_agg(consent.shown_delegation(d.delegation) order by d.seq), '[]') from consent.delegations d where p_subject in (d.subject, d.delegate)),
    'uses', (select coalesce(json_agg(i.item order by i.id desc), '[]') from person.use_items(p_subject, null, 9223372036854775807, 10000) i))::text;
end $$;

alter function consent.records_of(uuid, text) owner to cw_scribe;
alter function consent.erase_rows(uuid, text, text) owner to cw_scribe;
alter function consent.erase(uuid, text, text) owner to cw_keeper;
alter function consent.carry_erasure(jsonb) owner to cw_keeper;
alter function consent.erasures_after(bigint) owner to cw_keeper;
alter function person.erase(uuid, uuid, text) owner to cw_clerk;
alter function person.export(uuid, uuid) owner to cw_clerk;
revoke all on function consent.records_of(uuid, text), consent.erase_rows(uuid, text, text), consent.erase(uuid, text, text), consent.carry_erasure(jsonb),
  consent.erasures_after(bigint), person.erase(uuid, uuid, text), person.export(uuid, uuid) from public;
grant select on agreement.product to cw_scribe;
grant execute on function consent.lock_person(uuid) to cw_scribe;
grant execute on function consent.erase_rows(uuid, text, text) to cw_keeper;
grant execute on function consent.records_of(uuid, text), consent.erase(uuid, text, text) to cw_clerk;
grant select on consent.event to cw_clerk;
grant execute on function person.erase(uuid, uuid, text), person.export(uuid, uuid) to person;
