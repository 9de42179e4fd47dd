-- A use by a model runtime names whom the model answered: `department/client`. Nobody but the account `models` of a department states a caller.
alter table audit.use add column caller text
  check (caller is null or client like '%/models' and caller ~ '^[a-z]([a-z0-9-]{0,38}[a-z0-9])?/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$');

-- Nulls are left out, so the bytes of older rows, and what was sealed of them, stay as they are.
create or replace function audit.use_bytes(u audit.use) returns bytea stable parallel safe language sql as $$
  select convert_to('{' || concat_ws(',',
    '"id":' || u.id::text, '"tx":"' || u.tx::text || '"', '"at":' || extract(epoch from u.at)::text, '"agreement":' || u.agreement::text,
    '"client":' || to_json(u.client)::text, '"purpose":' || to_json(u.purpose)::text, '"op":' || to_json(u.op)::text,
    '"contract":' || to_json(u.contract)::text, '"fields":' || to_json(u.fields)::text,
    '"subject":"' || audit.veiled('use:' || u.id::text, u.subject) || '"', '"subjects":' || audit.veiled('use:' || u.id::text, u.subjects)::text,
    '"found":' || u.found::text, '"basis":' || to_json(u.basis)::text, '"caller":' || to_json(u.caller)::text) || '}', 'UTF8') $$;

create or replace function person.use_items(p_subject uuid, p_names text[], p_before bigint, p_most int) returns table (id bigint, item json)
stable language sql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
  with u as (
    (select x as use, c.content from audit.use x join agreement.contract c on c.hash = x.contract
      where x.subject = p_subject and x.id < p_before and audit.told(c.content, x.at) and (p_names is null or c.content ->> 'name' = any (p_names))
      order by x.id desc limit p_most)
    union all
    (select x, c.content from audit.use x join agreement.contract c on c.hash = x.contract
      where x.subjects @> array[p_subject] and x.subjects is not null and x.id < p_before and audit.told(c.content, x.at)
        and (p_names is null or c.content ->> 'name' = any (p_names))
      order by x.id desc limit p_most)
  )
  select (p.use).id, json_build_object(
      'id', (p.use).id::text, 'at', (p.use).at, 'client', (p.use).client, 'caller', (p.use).caller, 'agreement', p.content ->> 'name',
      'product', p.content ->> 'product', 'consumer', p.content ->> 'consumer',
      'purpose', coalesce((select x from jsonb_array_elements(p.content -> 'purposes') x where x ->> 'key' = (p.use).purpose), jsonb_build_object('key', (p.use).purpose)),
      'basis', coalesce((p.use).basis, p.content ->> 'basis'), 'legalPower', p.content ->> 'legalPower',
      'fields', coalesce(to_jsonb(string_to_array((p.use).fields, ',')), p.content -> 'fields'), 'given', (p.use).found > 0)
  from u p order by 1 desc limit p_most $$;

-- The doors of before have no place for a caller. The keeper opens each again with one; until then nothing is read.
do $$ declare f regprocedure; begin
  for f in select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where n.nspname = 'door' and p.proname ~ '^a[0-9]+_(point|points|page|ask|askpage)$' loop
    execute 'drop function ' || f;
  end loop;
end $$;
