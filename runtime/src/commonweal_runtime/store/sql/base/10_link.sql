-- Linkage: under an agreement that says so, a consumer may read people by its own references. It sends keyed hashes of an identifier that both sides know;
-- the keeper, which holds the key, finds whom they mean. Which reference found somebody is told to nobody: the link table is the provider's.
--
-- An agreement's own login calls `terms`, `put`, `remove` and `subject`; each speaks of the caller's agreement alone, whoever may execute it.
--   CW400 the links are not understood   CW404 the agreement has no linkage   CW007 too many links today (message: seconds to wait)
create schema link authorization cw_owner;

create table link.entry (
  agreement smallint not null references agreement.register (number),
  reference text not null check (length(reference) between 1 and 200),
  token bytea not null check (length(token) = 32),
  subject uuid,                                          -- whom the provider knows by that token; null: nobody, or not exactly one
  resolved boolean not null default false,
  primary key (agreement, reference)
);
create index entry_token on link.entry (agreement, token);
create index entry_unresolved on link.entry (agreement) where not resolved;
create table link.day (agreement smallint not null, day date not null, used bigint not null, primary key (agreement, day));
create table link.resolved (agreement smallint primary key, at timestamptz not null);
-- What a reference without a person is answered with is made from this: an id like any other, so that the two cannot be told apart.
create table link.secret (one boolean primary key default true check (one), value text not null);
insert into link.secret (value) values (gen_random_uuid()::text || gen_random_uuid()::text);

-- How an identifier is written before it is hashed. ASCII only, so that every side does exactly the same; null where nothing is left.
create function link.written(p_value text, p_normalise text) returns text immutable language sql as $$
  select nullif(case p_normalise
    when 'Upper' then translate(regexp_replace(p_value, '[ \t\r\n]', '', 'g'), 'abcdefghijklmnopqrstuvwxyz', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ')
    when 'Lower' then translate(regexp_replace(p_value, '[ \t\r\n]', '', 'g'), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')
    when 'Digits' then regexp_replace(p_value, '[^0-9]', '', 'g')
    else p_value end, '') $$;
-- HMAC-SHA256; `p_inner` and `p_outer` are the key's two padded forms, so the key itself is in no statement.
create function link.token(p_inner bytea, p_outer bytea, p_text text) returns bytea immutable language sql as $$
  select sha256(p_outer || sha256(p_inner || convert_to(p_text, 'UTF8'))) $$;

create function link.mine() returns agreement.register stable language plpgsql security definer set search_path = pg_catalog as $$
declare r agreement.register; begin
  if session_user::text ~ '^agr_[0-9]+$' then
    select * into r from agreement.register where number = substr(session_user::text, 5)::smallint and in_force and spec ? 'linkage'
      and statement_timestamp() >= (spec #>> '{validity,from}')::timestamptz and statement_timestamp() < (spec #>> '{validity,until}')::timestamptz;
  end if;
  if r.number is null then raise exception using errcode = 'CW404', message = 'this agreement has no linkage'; end if;
  return r;
end $$;

create function link.terms() returns text stable language sql security definer set search_path = pg_catalog as $$
  select json_build_object('field', m.spec #>> '{linkage,on}', 'normalise', coalesce(m.spec #>> '{linkage,normalise}', 'AsIs'))::text from link.mine() m $$;

-- Takes up to 1,000 links. New and changed ones count: a day's worth is as many as the product has records, the whole twice that.
create function link.put(p_links text) returns text language plpgsql security definer set search_path = pg_catalog as $$
declare m agreement.register := link.mine(); v jsonb; v_new bigint; v_most bigint; begin
  begin v := p_links; exception when invalid_text_representation then v := null; end;
  if not coalesce(jsonb_typeof(v) = 'array' and jsonb_array_length(v) between 1 and 1000, false) then
    raise exception using errcode = 'CW400', message = 'links: give 1 to 1000 of them';
  elsif exists (select from jsonb_array_elements(v) x where not coalesce(jsonb_typeof(x) = 'object' and x ->> 'token' ~ '^[0-9a-f]{64}$'
                and jsonb_typeof(x -> 'reference') = 'string' and length(x ->> 'reference') between 1 and 200 and x ->> 'reference' !~ '[[:cntrl:]]', false)) then
    raise exception using errcode = 'CW400', message = 'links: each needs a reference of 1 to 200 characters and a token of 64 hexadecimal digits';
  elsif (select count(distinct x ->> 'reference') < count(*) from jsonb_array_elements(v) x) then
    raise exception using errcode = 'CW400', message = 'links: a reference is given twice';
  end if;
  select greatest(p.rows, 1000) into v_most from agreement.product p where p.uid = m.product;
  insert into link.day as d (agreement, day, used) values (m.number, (statement_timestamp() at time zone 'UTC')::date, 0)
  on conflict (agreement, day) do update set used = d.used;                       -- one at a time per agreement from here on
  select count(*) into v_new from jsonb_array_elements(v) x
   where not exists (select from link.entry e where e.agreement = m.number and e.reference = x ->> 'reference' and e.token = decode(x ->> 'token', 'hex'));
  update link.day set used = used + v_new where agreement = m.number and day = (statement_timestamp() at time zone 'UTC')::date and used + v_new <= v_most;
  if not found or (select count(*) from link.entry where agreement = m.number) + v_new > 2 * v_most then
    raise exception using errcode = 'CW007',
      message = ceil(extract(epoch from date_trunc('day', statement_timestamp() at time zone 'UTC') + interval '1 day' - (statement_timestamp() at time zone 'UTC')))::int::text;
  end if;
  insert into link.entry as e (agreement, reference, token) select m.number, x ->> 'reference', decode(x ->> 'token', 'hex') from jsonb_array_elements(v) x
  on conflict (agreement, reference) do update set token = excluded.token, subject = null, resolved = false where e.token <> excluded.token;
  return json_build_object('accepted', jsonb_array_length(v))::text;
end $$;

-- Ends one link, or with null all of them.
create function link.remove(p_reference text) returns text language plpgsql security definer set search_path = pg_catalog as $$
declare m agreement.register := link.mine(); begin
  delete from link.entry where agreement = m.number and (p_reference is null or reference = p_reference);
  return '{"removed": true}';
end $$;

-- Whom to read for a reference. Always an id: where nobody is meant, one that nobody has. So what the reader then asks looks alike, and takes as long.
create function link.subject(p_reference text) returns text stable language plpgsql security definer set search_path = pg_catalog as $$
declare m agreement.register := link.mine(); v_subject uuid; b bytea; begin
  select e.subject into v_subject from link.entry e where e.agreement = m.number and e.reference = p_reference;
  select substr(sha256(convert_to(s.value || m.number || ':' || p_reference, 'UTF8')), 1, 16) into b from link.secret s;
  return coalesce(v_subject, encode(set_byte(set_byte(b, 6, get_byte(b, 6) & 15 | 128), 8, get_byte(b, 8) & 63 | 128), 'hex')::uuid)::text;
end $$;

-- For the keeper, as superuser: finds whom an agreement's tokens mean. An identifier that two people bear means neither.
create function link.resolve(p_number smallint, p_inner bytea, p_outer bytea) returns bigint language plpgsql set search_path = pg_catalog as $$
declare r agreement.register; v_relation text; v_on text; v_changed bigint; begin
  select * into r from agreement.register where number = p_number;
  select relation into v_relation from agreement.product where uid = r.product;
  v_on := case when r.spec #>> '{linkage,on}' in ('ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid') then '_' else '' end || (r.spec #>> '{linkage,on}');
  insert into link.resolved (agreement, at) values (p_number, clock_timestamp()) on conflict (agreement) do update set at = excluded.at;
  execute format(
    'with known as materialized (select t.token, min(t.subject::text)::uuid as subject from (
       select r.subject, link.token($2, $3, link.written(r.%1$I::text, $4)) as token from product.%2$I r where link.written(r.%1$I::text, $4) is not null) t
       group by t.token having count(distinct t.subject) = 1)
     update link.entry e set subject = c.subject, resolved = true from (
       select e.reference, k.subject from link.entry e left join known k on k.token = e.token
        where e.agreement = $1 and (not e.resolved or e.subject is distinct from k.subject)) c
     where e.agreement = $1 and e.reference = c.reference', v_on, v_relation)
    using p_number, p_inner, p_outer, coalesce(r.spec #>> '{linkage,normalise}', 'AsIs');
  get diagnostics v_changed = row_count;
  return v_changed;
end $$;

-- Agreements whose links are to be looked at: some are new, or the product has been loaded since.
create view link.due as
  select r.number from agreement.register r join agreement.product p on p.uid = r.product
  where r.in_force and r.spec ? 'linkage' and (
    exists (select from link.entry e where e.agreement = r.number and not e.resolved)
    or p.loaded_at > coalesce((select d.at from link.resolved d where d.agreement = r.number), '-infinity') and exists (select from link.entry e where e.agreement = r.number));

do $$ declare t text; begin
  foreach t in array array['table link.entry', 'table link.day', 'table link.resolved', 'table link.secret', 'view link.due', 'function link.written(text, text)',
                           'function link.token(bytea, bytea, text)', 'function link.resolve(smallint, bytea, bytea)'] loop
    execute 'alter ' || t || ' owner to cw_owner';
  end loop;
  revoke all on function link.resolve(smallint, bytea, bytea) from public;
  foreach t in array array['mine()', 'terms()', 'put(text)', 'remove(text)', 'subject(text)'] loop
    execute 'alter function link.' || t || ' owner to cw_keeper';
    execute 'revoke all on function link.' || t || ' from public';
  end loop;
end $$;
grant usage on schema link to cw_keeper, public;
grant select, insert, update, delete on link.entry, link.day, link.secret to cw_keeper;
-- Each speaks only of the agreement whose login calls it; any other login gets CW404.
grant execute on function link.terms(), link.put(text), link.remove(text), link.subject(text) to public;
