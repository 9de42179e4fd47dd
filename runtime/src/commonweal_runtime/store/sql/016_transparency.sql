-- What everybody may know: every agreement with its uses counted, those included that the people concerned are never shown.
create table audit.total (agreement smallint primary key references agreement.register (number), uses bigint not null, given bigint not null);
create table audit.horizon (one boolean primary key default true check (one), tx xid8 not null);
insert into audit.horizon (tx) values ('0');

-- Adds up the uses of finished transactions, each once: everything below the oldest transaction still running is finished, and numbers only grow.
create function audit.count_uses() returns bigint language plpgsql security definer set search_path = pg_catalog as $$
declare v_from xid8; v_to xid8; v_counted bigint; begin
  select tx into v_from from audit.horizon for update;
  v_to := pg_snapshot_xmin(pg_current_snapshot());
  with n as (select u.agreement, count(*) as uses, count(*) filter (where u.found > 0) as given from audit.use u where u.tx >= v_from and u.tx < v_to group by u.agreement),
       t as (insert into audit.total as a select agreement, uses, given from n
             on conflict (agreement) do update set uses = a.uses + excluded.uses, given = a.given + excluded.given returning 1)
  select coalesce(sum(uses), 0) into v_counted from n;
  if v_to > v_from then update audit.horizon set tx = v_to; end if;
  return v_counted;
end $$;

-- What time makes worthless: tickets nobody can take any more, and windows of requests that have ended. Run by the keeper every few seconds.
create function audit.tidy() returns void language sql security definer set search_path = pg_catalog as $$
  select audit.count_uses();
  delete from audit.ticket where at < clock_timestamp() - interval '1 minute';
  delete from agreement.allowance where until < clock_timestamp() $$;

create function audit.transparency() returns text stable language sql security definer set search_path = pg_catalog as $$
  select json_build_object(
    'department', (select json_build_object('name', name, 'displayName', display_name, 'contact', contact) from agreement.department),
    'agreements', coalesce((select json_agg(json_build_object(
       'agreement', r.name, 'number', r.number, 'inForce', r.in_force, 'product', r.spec #> '{product,name}', 'consumer', r.spec #> '{consumer,department}',
       'purposes', r.spec -> 'purposes', 'fields', r.spec -> 'fields', 'basis', r.spec #> '{basis,type}', 'condition', r.spec #> '{basis,condition}',
       'legalPower', r.spec #> '{basis,legalPower}', 'validity', r.spec -> 'validity',
       'visibility', coalesce(r.spec #>> '{transparency,visibility}', 'Immediate'), 'delayDays', r.spec #> '{transparency,delayDays}',
       'reason', r.spec #> '{transparency,reason}', 'uses', coalesce(t.uses, 0), 'given', coalesce(t.given, 0)) order by r.number)
      from agreement.register r left join audit.total t on t.agreement = r.number where r.product is not null), '[]'),
    'erasures', coalesce((select json_agg(json_build_object('product', p.name, 'erased', e.erased, 'awaitedAtSource', e.awaited) order by p.name)
      from (select product, count(*) as erased, count(*) filter (where at_source is null) as awaited from consent.erased group by product) e
      join agreement.product p on p.uid = e.product), '[]'))::text $$;

alter table audit.total owner to cw_owner;
alter table audit.horizon owner to cw_owner;
grant select, insert, update on audit.total, audit.horizon to cw_keeper;
grant select on audit.total to cw_clerk;
grant execute on function pg_current_snapshot(), pg_snapshot_xmin(pg_snapshot) to cw_keeper;
alter function audit.count_uses() owner to cw_keeper;
alter function audit.tidy() owner to cw_keeper;
alter function audit.transparency() owner to cw_clerk;
revoke all on function audit.count_uses(), audit.tidy(), audit.transparency() from public;
grant usage on schema audit to api;
grant execute on function audit.transparency() to api;
