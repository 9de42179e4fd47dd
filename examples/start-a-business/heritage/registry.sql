-- The Companies Registry's heritage database: made-up companies, the same on every machine.
create table company (
  director_ref text primary key, company_number text not null, company_name text not null, status text,
  sic_sector text, incorporated_on date not null, registered_postcode text
);
insert into company
select 'P' || lpad(n::text, 6, '0'), lpad((9000000 + n)::text, 8, '0'),
       (array['Harbour','Willow','Northgate','Beacon','Thistle','Riverside','Foundry','Orchard'])[1 + n % 8] || ' '
         || (array['Bakery','Design','Logistics','Software','Joinery','Catering','Energy'])[1 + n % 7] || ' Ltd',
       case when n % 11 = 0 then 'dormant' else 'active' end,
       (array['A','C','F','G','I','J','M'])[1 + n % 7],
       date '2010-01-01' + (n * 37 % 5800),
       (array['LS1','M4','BS8','EH3','CF10','BT7','NE1','SW1A'])[1 + n % 8] || ' ' || (1 + n % 9) || (array['AA','BQ','DF'])[1 + n % 3]
from generate_series(1, 500) n;
create role registry_reader login password 'example-registry-reader';
grant select on company to registry_reader;
