-- What departments write for people is told in two languages: {"en": …, "cy": …}, and cy left out where there is no Welsh. Names of laws stay as the law has them.
alter table agreement.department add column display_name_cy text;
alter table agreement.department add column models jsonb not null default '[]';
comment on column agreement.department.models is 'the department''s models as its public register tells them; they run elsewhere';
alter table agreement.register add column consumer_name_cy text;
alter table agreement.rights add column words_cy text not null default '';
comment on column agreement.register.consumer_name_cy is 'consumer_name in Welsh';

create function person.said(p_en text, p_cy text) returns json immutable language sql set search_path = pg_catalog as $$
  select case when p_en is not null then json_strip_nulls(json_build_object('en', p_en, 'cy', nullif(p_cy, ''))) end $$;

-- Purposes as they are told; with a key, that one alone.
create function person.purposes_of(p_purposes jsonb, p_key text default null) returns json immutable language sql set search_path = pg_catalog as $$
  select coalesce(json_agg(json_build_object('key', x ->> 'key', 'iri', x ->> 'iri', 'text', person.said(x ->> 'text', x #>> '{cy,text}')) order by n), '[]')
    from jsonb_array_elements(p_purposes) with ordinality o(x, n) where p_key is null or x ->> 'key' = p_key $$;

create function person.visibility_of(p jsonb) returns jsonb immutable language sql set search_path = pg_catalog as $$
  select p - 'cy' || case when p ? 'reason' then jsonb_build_object('reason', person.said(p ->> 'reason', p #>> '{cy,reason}')::jsonb) else '{}' end $$;

-- An agreement's fields in its order, each with what its product says of it. What people agreed to is in the terms; this explains it.
create or replace function person.fields_of(p_fields jsonb, p_spec jsonb) returns json stable language sql set search_path = pg_catalog as $$
  select coalesce(json_agg(json_strip_nulls(json_build_object(
           'name', w.name, 'label', person.said(d ->> 'label', d #>> '{cy,label}'), 'description', person.said(d ->> 'description', d #>> '{cy,description}'),
           'classification', d ->> 'classification', 'mask', d #>> '{mask,kind}', 'of', d #>> '{mask,of}')) order by w.n), '[]')
    from jsonb_array_elements_text(p_fields) with ordinality w(name, n)
    left join lateral (select x from jsonb_array_elements(coalesce(p_spec -> 'fields', '[]') || coalesce(p_spec -> 'answers', '[]')) x
                        where x ->> 'name' = w.name) o(d) on true $$;

create or replace function person.shown(p_subject uuid, r agreement.register) returns json stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
  select json_build_object(
    'agreement', r.name, 'inForce', r.in_force, 'product', r.spec #>> '{product,name}', 'title', person.said(p.spec ->> 'title', p.spec #>> '{cy,title}'),
    'consumer', r.spec #>> '{consumer,department}', 'consumerName', person.said(r.consumer_name, r.consumer_name_cy), 'purposes', person.purposes_of(r.spec -> 'purposes'),
    'fields', r.spec -> 'fields', 'explained', person.fields_of(r.spec -> 'fields', p.spec), 'benefits', person.said(r.spec #>> '{assurance,benefits}', r.spec #>> '{assurance,cy,benefits}'),
    'basis', r.spec #>> '{basis,type}', 'condition', r.spec #>> '{basis,condition}', 'legalPower', r.spec #>> '{basis,legalPower}', 'rights', person.said(g.words, g.words_cy),
    'until', r.spec #>> '{validity,until}', 'objection', r.spec #>> '{subjects,objection}',
    'consent', case when r.spec #>> '{basis,type}' <> 'Consent' then json_build_object('state', 'NotNeeded')
                    else json_build_object('state', case when s.given and s.valid_until <= clock_timestamp() then 'Expired'
                                                         when s.consent = 'Renewed' then 'Given' else coalesce(s.consent, 'NotGiven') end,
                                           'since', s.consent_at, 'until', s.valid_until) end,
    'objected', case when r.spec #>> '{subjects,objection}' <> 'Honoured' then json_build_object('state', 'NotApplicable')
                     else json_build_object('state', case when s.objected then 'Objected' else 'None' end,
                                            'since', case when s.objected then s.objected_at end) end,
    'delegates', coalesce(r.spec #> '{subjects,delegation}', '[]'), 'limits', r.spec -> 'limits', 'visibility', person.visibility_of(r.spec -> 'transparency'),
    'owner', p.spec -> 'owner', 'contact', r.spec #>> '{assurance,contact}')
  from (select 1) one left join consent.state s on s.subject = p_subject and s.agreement = r.number left join agreement.product p on p.uid = r.product
    left join agreement.rights g on g.basis = r.spec #>> '{basis,type}' $$;

-- With what each field is called and means.
create or replace function person.preview(p_actor uuid, p_subject uuid, p_name text) returns text volatile language plpgsql security definer
set search_path = pg_catalog set timezone = 'UTC' as $$
declare r agreement.register := person.agreement_of(p_name, true); v_held jsonb; v_many boolean; v_records json; v_fields json; v_found int;
        v_client text := case when p_actor = p_subject then 'person' else 'delegate' end; begin
  perform consent.indicated(p_actor, p_subject, 'Export', p_name, null);
  perform consent.opens_often(array(
    select u.at from audit.use u where u.subject = p_subject and u.agreement = r.number and u.op = 'look' and u.client = v_client
       and u.at > clock_timestamp() - interval '1 day' order by u.id desc limit 100));
  v_held := consent.records_of(p_subject, r.product);
  select p.spec #>> '{subject,records}' = 'Many', person.fields_of(r.spec -> 'fields', p.spec) into v_many, v_fields from agreement.product p where p.uid = r.product;
  select json_agg(x.record order by x.at), count(*) into v_records, v_found from (
    select row_number() over (order by o.held ->> 'record') as at,
           (select json_object_agg(f.name, o.held -> f.name order by f.at)
              from (select 'record' as name, 0::bigint as at where v_many
                    union all select w.name, w.n from jsonb_array_elements_text(r.spec -> 'fields') with ordinality w(name, n)) f) as record
      from jsonb_array_elements(v_held) o(held) order by 1 limit (r.spec #>> '{limits,maxRows}')::int) x;
  insert into audit.use (agreement, client, purpose, op, contract, basis, subject, found)
  values (r.number, v_client, 'person/look', 'look', r.contract, r.spec #>> '{basis,type}', p_subject, v_found);
  return json_build_object('agreement', r.name, 'at', statement_timestamp(), 'fields', coalesce(v_fields, '[]'), 'records', coalesce(v_records, '[]'),
                           'truncated', jsonb_array_length(v_held) > v_found)::text;
end $$;

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
      'product', p.content ->> 'product', 'title', person.said(p.content ->> 'title', p.content #>> '{cy,title}'), 'consumer', p.content ->> 'consumer',
      'consumerName', (select person.said(g.consumer_name, g.consumer_name_cy) from agreement.register g where g.number = (p.use).agreement),
      'purpose', coalesce(person.purposes_of(p.content -> 'purposes', (p.use).purpose) -> 0, json_build_object('key', (p.use).purpose)),
      'basis', coalesce((p.use).basis, p.content ->> 'basis'), 'legalPower', p.content ->> 'legalPower',
      'fields', coalesce(to_jsonb(string_to_array((p.use).fields, ',')), p.content -> 'fields'), 'given', (p.use).found > 0, 'look', (p.use).op = 'look')
  from u p order by 1 desc limit p_most $$;

-- For everybody: the agreements in force, with what they are for, what they leave to people and how often they are used; and the models of the department.
create function audit.register() returns text stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
  select json_build_object(
    'department', (select json_build_object('name', name, 'displayName', person.said(display_name, display_name_cy), 'contact', contact) from agreement.department),
    'agreements', coalesce((select json_agg(json_build_object(
       'agreement', r.name, 'number', r.number, 'product', r.spec #>> '{product,name}', 'title', person.said(p.spec ->> 'title', p.spec #>> '{cy,title}'),
       'consumer', r.spec #>> '{consumer,department}', 'consumerName', person.said(r.consumer_name, r.consumer_name_cy),
       'purposes', person.purposes_of(r.spec -> 'purposes'), 'explained', person.fields_of(r.spec -> 'fields', p.spec),
       'basis', r.spec #>> '{basis,type}', 'condition', r.spec #>> '{basis,condition}', 'legalPower', r.spec #>> '{basis,legalPower}',
       'rights', person.said(g.words, g.words_cy), 'benefits', person.said(r.spec #>> '{assurance,benefits}', r.spec #>> '{assurance,cy,benefits}'),
       'areas', coalesce(r.spec #> '{assurance,areas}', '[]'), 'contact', r.spec #>> '{assurance,contact}',
       'from', r.spec #>> '{validity,from}', 'until', r.spec #>> '{validity,until}', 'visibility', person.visibility_of(r.spec -> 'transparency'),
       'uses', coalesce(t.uses, 0), 'given', coalesce(t.given, 0)) order by r.name)
      from agreement.register r join agreement.product p on p.uid = r.product left join agreement.rights g on g.basis = r.spec #>> '{basis,type}'
      left join audit.total t on t.agreement = r.number
     where r.in_force and (r.spec #>> '{validity,from}')::timestamptz <= statement_timestamp()
       and (r.spec #>> '{validity,until}')::timestamptz > statement_timestamp()), '[]'),
    'models', coalesce((select json_agg(json_build_object(
       'name', m ->> 'name', 'title', person.said(m ->> 'title', m ->> 'titleCy'), 'purpose', m ->> 'purpose', 'reads', m -> 'reads', 'callers', m -> 'callers',
       'learning', json_build_object('shape', m ->> 'shape', 'floor', m -> 'floor')) order by m ->> 'name')
      from agreement.department d, jsonb_array_elements(d.models) m), '[]'))::text $$;

alter function audit.register() owner to cw_clerk;
revoke all on function audit.register() from public;
grant execute on function audit.register() to api;
do $$ declare t text; begin
  foreach t in array array['said(text, text)', 'purposes_of(jsonb, text)', 'visibility_of(jsonb)'] loop
    execute 'alter function person.' || t || ' owner to cw_clerk';
    execute 'revoke all on function person.' || t || ' from public';
  end loop;
end $$;
