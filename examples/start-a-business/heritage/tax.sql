-- The Tax Authority's heritage database: made-up registrations, the same on every machine. It knows a person by the unique taxpayer reference.
-- Every fiftieth person is not registered for tax.
create table registration (
  utr text primary key, family_name text not null, born_on date not null, vat_registered boolean, turnover_band text, registered_on date
);
insert into registration
select lpad((1000000000 + n * 7919)::text, 10, '0'),
       (array['Lovelace','Okri','Laine','Patel','McCrae','Weldon','Hughes','Nowak','Evans','Byrne','Khan'])[1 + (n - 1) % 11],
       date '1950-01-01' + n * 131 % 18000, n % 3 = 0,
       (array['under-10k','10k-to-50k','50k-to-90k','over-90k'])[1 + n % 4], date '2012-04-06' + (n * 53 % 5000)
from generate_series(1, 500) n where n % 50 > 0;
create role tax_reader login password 'example-tax-reader';
grant select on registration to tax_reader;
