-- As in 018, and how each product stands: its checks with their newest results, and whether its records are as fresh as promised.
create or replace function agreement.catalogue() returns text stable language sql security definer set search_path = pg_catalog as $$
  select json_build_object(
    'department', (select json_build_object('name', name, 'displayName', display_name, 'contact', contact, 'signing', signing) from agreement.department),
    'products', coalesce((select json_agg(json_build_object('name', p.name, 'contract', p.contract, 'spec', p.spec - 'source',
                                                            'quality', s.standing -> 'quality', 'sla', s.standing -> 'sla') order by p.name)
                          from agreement.product p cross join lateral (select agreement.standing_of(p.uid) as standing) s), '[]'),
    'agreements', coalesce((select json_agg(json_build_object('number', r.number, 'name', r.name, 'product', p.name, 'contract', r.contract,
                                                              'spec', r.spec) order by r.number)
                            from agreement.register r join agreement.product p on p.uid = r.product where r.in_force), '[]'))::text $$;
