-- What a person is told of an agreement: who the consumer is, what each field means, what they get for it, and what the law leaves to them.
alter table agreement.register add column consumer_name text;
comment on column agreement.register.consumer_name is 'what the consumer calls itself, as last planned; no part of the terms';
alter table agreement.rights add column words text not null default '';

-- An agreement's fields in its order, each with what its product says of it. What people agreed to is in the terms; this explains it.
create function person.fields_of(p_fields jsonb, p_spec jsonb) returns json stable language sql set search_path = pg_catalog as $$
  select coalesce(json_agg(json_strip_nulls(json_build_object('name', w.name, 'description', d ->> 'description', 'classification', d ->> 'classification',
                                                              'mask', d #>> '{mask,kind}', 'of', d #>> '{mask,of}')) order by w.n), '[]')
    from jsonb_array_elements_text(p_fields) with ordinality w(name, n)
    left join lateral (select x from jsonb_array_elements(coalesce(p_spec -> 'fields', '[]') || coalesce(p_spec -> 'answers', '[]')) x
                        where x ->> 'name' = w.name) o(d) on true $$;

create or replace function person.shown(p_subject uuid, r agreement.register) returns json stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
  select json_build_object(
    'agreement', r.name, 'inForce', r.in_force, 'product', r.spec #>> '{product,name}', 'title', p.spec ->> 'title',
    'consumer', r.spec #>> '{consumer,department}', 'consumerName', r.consumer_name, 'purposes', r.spec -> 'purposes',
    'fields', r.spec -> 'fields', 'explained', person.fields_of(r.spec -> 'fields', p.spec), 'benefits', r.spec #>> '{assurance,benefits}',
    'basis', r.spec #>> '{basis,type}', 'condition', r.spec #>> '{basis,condition}', 'legalPower', r.spec #>> '{basis,legalPower}', 'rights', g.words,
    'until', r.spec #>> '{validity,until}', 'objection', r.spec #>> '{subjects,objection}',
    'consent', case when r.spec #>> '{basis,type}' <> 'Consent' then json_build_object('state', 'NotNeeded')
                    else json_build_object('state', case when s.given and s.valid_until <= clock_timestamp() then 'Expired'
                                                         when s.consent = 'Renewed' then 'Given' else coalesce(s.consent, 'NotGiven') end,
                                           'since', s.consent_at, 'until', s.valid_until) end,
    'objected', case when r.spec #>> '{subjects,objection}' <> 'Honoured' then json_build_object('state', 'NotApplicable')
                     else json_build_object('state', case when s.objected then 'Objected' else 'None' end,
                                            'since', case when s.objected then s.objected_at end) end,
    'delegates', coalesce(r.spec #> '{subjects,delegation}', '[]'), 'limits', r.spec -> 'limits', 'visibility', r.spec -> 'transparency',
    'owner', p.spec -> 'owner', 'contact', r.spec #>> '{assurance,contact}')
  from (select 1) one left join consent.state s on s.subject = p_subject and s.agreement = r.number left join agreement.product p on p.uid = r.product
    left join agreement.rights g on g.basis = r.spec #>> '{basis,type}' $$;

-- The very values that would leave under an agreement, as its consumer would see them, whether or not it may see them now. A delegate needs the act
-- Export, which lets them have values. Looking is a use like any other, by `person` or `delegate`, with the operation `look`: it is under the seals and
-- among the uses that the person is shown, and in no public count of what consumers read. A hundred a day of an agreement, as of what opens something.
create function person.preview(p_actor uuid, p_subject uuid, p_name text) returns text volatile language plpgsql security definer
set search_path = pg_catalog set timezone = 'UTC' as $$
declare r agreement.register := person.agreement_of(p_name, true); v_held jsonb; v_many boolean; v_records json; v_found int;
        v_client text := case when p_actor = p_subject then 'person' else 'delegate' end; begin
  perform consent.indicated(p_actor, p_subject, 'Export', p_name, null);
  perform consent.opens_often(array(
    select u.at from audit.use u where u.subject = p_subject and u.agreement = r.number and u.op = 'look' and u.client = v_client
       and u.at > clock_timestamp() - interval '1 day' order by u.id desc limit 100));
  v_held := consent.records_of(p_subject, r.product);
  select p.spec #>> '{subject,records}' = 'Many' into v_many from agreement.product p where p.uid = r.product;
  select json_agg(x.record order by x.at), count(*) into v_records, v_found from (
    select row_number() over (order by o.held ->> 'record') as at,
           (select json_object_agg(f.name, o.held -> f.name order by f.at)
              from (select 'record' as name, 0::bigint as at where v_many
                    union all select w.name, w.n from jsonb_array_elements_text(r.spec -> 'fields') with ordinality w(name, n)) f) as record
      from jsonb_array_elements(v_held) o(held) order by 1 limit (r.spec #>> '{limits,maxRows}')::int) x;
  insert into audit.use (agreement, client, purpose, op, contract, basis, subject, found)
  values (r.number, v_client, 'person/look', 'look', r.contract, r.spec #>> '{basis,type}', p_subject, v_found);
  return json_build_object('agreement', r.name, 'at', statement_timestamp(), 'records', coalesce(v_records, '[]'),
                           'truncated', jsonb_array_length(v_held) > v_found)::text;
end $$;

create or replace function audit.count_uses() returns bigint language plpgsql security definer set search_path = pg_catalog as $$
declare v_from xid8; v_to xid8; v_counted bigint; begin
  select tx into v_from from audit.horizon for update;
  v_to := pg_snapshot_xmin(pg_current_snapshot());
  with n as (select u.agreement, count(*) as uses, count(*) filter (where u.found > 0) as given from audit.use u
              where u.tx >= v_from and u.tx < v_to and u.op <> 'look' group by u.agreement),
       t as (insert into audit.total as a select agreement, uses, given from n
             on conflict (agreement) do update set uses = a.uses + excluded.uses, given = a.given + excluded.given returning 1)
  select coalesce(sum(uses), 0) into v_counted from n;
  if v_to > v_from then update audit.horizon set tx = v_to; end if;
  return v_counted;
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
      'product', p.content ->> 'product', 'title', p.content ->> 'title', 'consumer', p.content ->> 'consumer',
      'consumerName', (select g.consumer_name from agreement.register g where g.number = (p.use).agreement),
      'purpose', coalesce((select x from jsonb_array_elements(p.content -> 'purposes') x where x ->> 'key' = (p.use).purpose), jsonb_build_object('key', (p.use).purpose)),
      'basis', coalesce((p.use).basis, p.content ->> 'basis'), 'legalPower', p.content ->> 'legalPower',
      'fields', coalesce(to_jsonb(string_to_array((p.use).fields, ',')), p.content -> 'fields'), 'given', (p.use).found > 0, 'look', (p.use).op = 'look')
  from u p order by 1 desc limit p_most $$;

do $$ begin
  alter function person.fields_of(jsonb, jsonb) owner to cw_clerk;
  revoke all on function person.fields_of(jsonb, jsonb) from public;
  alter function person.preview(uuid, uuid, text) owner to cw_clerk;
  revoke all on function person.preview(uuid, uuid, text) from public;
  grant execute on function person.preview(uuid, uuid, text) to person;
end $$;
grant execute on function consent.opens_often(timestamptz[]) to cw_clerk;
grant insert (agreement, client, purpose, op, contract, basis, subject, found) on audit.use to cw_clerk;
