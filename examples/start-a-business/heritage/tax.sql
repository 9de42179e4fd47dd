-- The Tax Authority's heritage database: made-up registrations, the same on every machine.
create table registration (
  person_ref text primary key, utr text not null, vat_registered boolean, turnover_band text, registered_on date
);
insert into registration
select 'P' || lpad(n::text, 6, '0'), lpad((1000000000 + n * 7919)::text, 10, '0'), n % 3 = 0,
       (array['under-10k','10k-to-50k','50k-to-90k','over-90k'])[1 + n % 4], date '2012-04-06' + (n * 53 % 5000)
from generate_series(1, 500) n;
create role tax_reader login password 'example-tax-reader';
grant select on registration to tax_reader;
