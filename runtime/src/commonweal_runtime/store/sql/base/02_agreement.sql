-- What is in force, and every number ever given.
create schema agreement authorization cw_owner;

-- What the keeper was told to serve. Only the keeper writes here.
create table agreement.department (
  one boolean primary key default true check (one),
  name text not null, display_name text not null, contact text not null,
  registrars text[] not null default '{}',    -- own accounts that may record delegations
  signing jsonb                               -- public key of the department's agreements
);
create table agreement.product (
  uid text primary key,
  name text not null unique,
  relation text not null unique,              -- table in schema product
  spec jsonb not null,
  unfilled text[] not null,                   -- fields that no load has filled yet: no agreement on them opens
  contract text not null,
  loaded_at timestamptz, rows bigint not null default 0, refused bigint not null default 0,
  key_type text                               -- of the key at the source, once a Live product is connected
);
-- A number belongs to one agreement (uid) for ever: consents are kept by number, and a number used twice would hand one agreement's consents to
-- another. So rows are never deleted, and the trigger below says so.
create table agreement.register (
  number smallint primary key check (number > 0),
  uid text not null unique,
  name text not null,
  product text,                               -- uid of the product
  in_force boolean not null default false,    -- its door is open
  opened text,                                -- digest of the statements that opened it; null: closed, or to be opened anew
  contract text,                              -- hash of what is in force; stands in every audit row
  terms jsonb not null default '{}',          -- what people were told; wider terms end earlier consents
  spec jsonb not null default '{}',
  made_at timestamptz not null default clock_timestamp()
);
create table agreement.contract (
  hash text primary key, number smallint not null, content jsonb not null, at timestamptz not null default clock_timestamp()
);

create function agreement.kept() returns trigger language plpgsql as $$ begin
  if tg_op = 'UPDATE' and (new.number, new.uid) is not distinct from (old.number, old.uid) then return new; end if;
  raise exception 'numbers of agreements are kept for ever';
end $$;
create trigger kept before update or delete on agreement.register for each row execute function agreement.kept();
create trigger kept_t before truncate on agreement.register for each statement execute function agreement.kept();

-- What each lawful basis leaves to the person. The keeper fills it at each start from commonweal_api.rights, so that there is one table, not two.
create table agreement.rights (
  basis text primary key,
  consent boolean not null,                      -- nothing is read before the person has given consent
  objection boolean not null,
  erasure text not null check (erasure in ('OnRequest', 'WhenEnded', 'None')),
  portability boolean not null
);

-- Limits

-- How often an agreement may be used. Counted on what is asked, not on what is found, in the transaction that writes the audit row; the row's lock
-- makes two that cross count one after the other. Nothing of this is called for an agreement without such limits.
create table agreement.allowance (
  agreement smallint not null references agreement.register (number),
  whole boolean not null,                        -- the agreement as a whole (then `subject` is nil), or one subject
  subject uuid not null,
  since timestamptz not null, taken int not null,
  until timestamptz not null,                    -- infinity: once, for as long as the agreement lives
  primary key (agreement, whole, subject)
) with (fillfactor = 70);
create index allowance_until on agreement.allowance (until) where until < 'infinity';

-- Takes `p_count` of the `p_most` that the caller's agreement has in `p_seconds` (null: for ever), or refuses with `p_state` and the seconds to wait
-- (0: waiting does not help). A window begins with the first request after the one before it has ended.
create function agreement.take(p_subject uuid, p_count int, p_most int, p_seconds int, p_state text) returns void
language plpgsql volatile security definer set search_path = pg_catalog as $$
declare v_span interval := make_interval(secs => p_seconds); v_taken int; v_until timestamptz; begin
  if p_subject is null then raise exception using errcode = 'CW400', message = 'subject: name one.'; end if;
  insert into agreement.allowance as a (agreement, whole, subject, since, taken, until)
  values (substr(session_user::text, 5)::smallint, p_state = 'CW007', p_subject, clock_timestamp(), p_count, coalesce(clock_timestamp() + v_span, 'infinity'))
  on conflict (agreement, whole, subject) do update set
    since = case when coalesce(a.since + v_span <= excluded.since, false) then excluded.since else a.since end,
    taken = case when coalesce(a.since + v_span <= excluded.since, false) then excluded.taken else a.taken + excluded.taken end,
    until = case when coalesce(a.since + v_span <= excluded.since, false) then excluded.until else coalesce(a.since + v_span, 'infinity') end
  returning taken, until into v_taken, v_until;
  if v_taken > p_most then
    raise exception using errcode = p_state,
      message = case when p_seconds is null then '0' else greatest(1, ceil(extract(epoch from v_until - clock_timestamp())))::bigint::text end;
  end if;
end $$;

-- Whether nothing is left for a subject: a page leaves such people out.
create function agreement.spent(p_subject uuid, p_most int) returns boolean stable language sql security definer set search_path = pg_catalog as $$
  select exists (select from agreement.allowance where agreement = substr(session_user::text, 5)::smallint and not whole
                 and subject = p_subject and taken >= p_most and until > statement_timestamp()) $$;

-- Gates

-- What stands between a product's table and its doors: whether its answers are of today, and until when its checks count as passed.
-- Read by the doors of agreements that need it, and by no other door. No row, or an empty column: closed.
create table agreement.gate (
  product text primary key references agreement.product (uid) on delete cascade,
  asked text,                                 -- digest of the answers as they are kept; null: the product has none
  answering date,                             -- the day that writers answer for, at least
  answered_on date,                           -- the day that every row answers for; 'infinity': no answer asks for today
  passed_until timestamptz not null default '-infinity'   -- of checks that stop serving: the moment at which they must have passed again
);

-- One row per check and run; the newest hundred of each check are kept.
create table agreement.quality (
  run bigint generated always as identity primary key,
  product text not null references agreement.product (uid) on delete cascade,
  name text not null,
  at timestamptz not null default clock_timestamp(),
  until timestamptz not null,                 -- from then on it counts as not run
  state text not null check (state in ('Passed', 'Failed', 'NotRun')),
  found bigint,
  detail text not null default ''
);
create index quality_newest on agreement.quality (product, name, run desc);

-- How a product stands, for catalogue and report: each check with its newest result, a stale one counted as not run, and the age of the records.
create function agreement.standing_of(p_product text) returns json stable language sql security definer set search_path = pg_catalog as $$
  with checks as (
    select c.ordinality as n, c.value ->> 'name' as name, q.at, q.found, q.detail,
           case when q.until > clock_timestamp() then q.state else 'NotRun' end as state
    from agreement.product p cross join lateral jsonb_array_elements(coalesce(p.spec -> 'quality', '[]')) with ordinality c
    left join lateral (select * from agreement.quality q where q.product = p.uid and q.name = c.value ->> 'name' order by q.run desc limit 1) q on true
    where p.uid = p_product)
  select json_build_object(
    'quality', (select json_build_object('passed', count(*) filter (where state = 'Passed'), 'failed', count(*) filter (where state = 'Failed'),
                                         'notRun', count(*) filter (where state = 'NotRun'),
                                         'checks', coalesce(json_agg(json_build_object('name', name, 'state', state, 'at', at, 'found', found, 'detail', detail)
                                                                     order by n), '[]')) from checks),
    'sla', (select case when p.spec ? 'sla' then json_build_object(
              'freshnessSeconds', (p.spec #>> '{sla,freshnessSeconds}')::bigint, 'loadedAt', p.loaded_at,
              'met', case when p.loaded_at is not null
                          then p.loaded_at + make_interval(secs => (p.spec #>> '{sla,freshnessSeconds}')::double precision) > clock_timestamp() end) end
            from agreement.product p where p.uid = p_product)) $$;

-- The catalogue that the data API shapes requests by, with how each product stands: its checks with their newest results, and whether its records are as
-- fresh as promised. It decides nothing: the doors do.
create function agreement.catalogue() returns text stable language sql security definer set search_path = pg_catalog as $$
  select json_build_object(
    'department', (select json_build_object('name', name, 'displayName', display_name, 'contact', contact, 'signing', signing) from agreement.department),
    'products', coalesce((select json_agg(json_build_object('name', p.name, 'contract', p.contract, 'spec', p.spec - 'source',
                                                            'quality', s.standing -> 'quality', 'sla', s.standing -> 'sla') order by p.name)
                          from agreement.product p cross join lateral (select agreement.standing_of(p.uid) as standing) s), '[]'),
    'agreements', coalesce((select json_agg(json_build_object('number', r.number, 'name', r.name, 'product', p.name, 'contract', r.contract,
                                                              'spec', r.spec) order by r.number)
                            from agreement.register r join agreement.product p on p.uid = r.product where r.in_force), '[]'))::text $$;

-- Dry runs

-- Whom an agreement shows now: the conditions of its policies, or nobody. `p_open`: its door is open.
create function agreement.visible(p_number smallint, p_relation text, p_open boolean) returns text stable language sql set search_path = pg_catalog as $$
  select case when p_open then coalesce((
    select string_agg('(' || pg_get_expr(p.polqual, p.polrelid) || ')', ' and ' order by p.polname) from pg_policy p
     where p.polrelid = format('product.%I', p_relation)::regclass and p.polname ~ format('^a%s_', p_number)), 'false') else 'false' end $$;

-- How many people would be shown who are not, and the other way round, if the conditions `p_then` took the place of those in force. Counts; opens nothing.
create function agreement.what_if(p_number smallint, p_relation text, p_open boolean, p_then text, out gained bigint, out lost bigint, out as_of timestamptz)
stable language plpgsql set search_path = pg_catalog as $$ begin
  as_of := statement_timestamp();
  execute format('select count(*) filter (where t and not n), count(*) filter (where n and not t)
                  from (select bool_or(%s) as n, bool_or(%s) as t from product.%I group by subject) people',
                 agreement.visible(p_number, p_relation, p_open), p_then, p_relation) into gained, lost;
end $$;

-- Owners and rights

do $$ declare t text; begin
  foreach t in array array['department', 'product', 'register', 'contract', 'rights', 'allowance', 'gate', 'quality'] loop
    execute 'alter table agreement.' || t || ' owner to cw_owner';
  end loop;
  foreach t in array array['take(uuid, int, int, int, text)', 'spent(uuid, int)', 'standing_of(text)', 'catalogue()'] loop
    execute 'alter function agreement.' || t || ' owner to cw_keeper';
    execute 'revoke all on function agreement.' || t || ' from public';
  end loop;
end $$;
alter function agreement.kept() owner to cw_owner;
revoke all on function agreement.visible(smallint, text, boolean), agreement.what_if(smallint, text, boolean, text) from public;   -- the keeper's, as superuser
grant usage on schema agreement to cw_keeper, cw_clerk, cw_scribe, api;
grant select on agreement.department, agreement.product, agreement.register, agreement.contract, agreement.rights to cw_keeper, cw_clerk;
grant select on agreement.gate, agreement.quality to cw_keeper;
grant select, insert, update, delete on agreement.allowance to cw_keeper;
grant select on agreement.product to cw_scribe;
grant execute on function agreement.catalogue() to api;
