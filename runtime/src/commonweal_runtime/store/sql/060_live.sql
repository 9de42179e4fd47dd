-- Products that are read where they lie (spec.serve.mode Live): the store keeps whom the source has and by which key, and reads the rest by that key
-- through a foreign table. cw_heritage owns foreign tables and the views over them and is the only role with a login at the sources.
do $$ begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'cw_heritage') then create role cw_heritage; end if;
  alter role cw_heritage nologin nosuperuser nocreatedb nocreaterole noinherit noreplication nobypassrls;
end $$;
create schema heritage authorization cw_owner;
revoke all on schema heritage from public;
create extension postgres_fdw schema heritage;
revoke all on all functions in schema heritage from public;   -- names of servers, and ending other reads' connections
grant usage on schema heritage to cw_scribe;

alter table agreement.product add column key_type text;        -- of the key at the source, once a Live product is connected

-- As in 015; of a Live product the records come from the source, by the person's own key. CW012: the source does not answer; then nothing is handed out
-- rather than an export that lacks something.
create or replace function consent.records_of(p_subject uuid, p_uid text) returns jsonb stable language plpgsql security definer set search_path = pg_catalog set timezone = 'UTC' as $$
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
