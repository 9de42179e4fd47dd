-- The Companies Registry's heritage database: made-up companies, the same on every machine. It knows a director by an officer number of its own.
-- 401 and 402 are two people for whom one personal code was written down; the last row is a second record of person 403.
create table company (
  director_ref text primary key, family_name text not null, born_on date not null, personal_code text not null,
  company_number text not null, company_name text not null, status text, sic_sector text, incorporated_on date not null, registered_postcode text
);
insert into company
select 'OF' || lpad((1200000 + n * 7717)::text, 8, '0'),
       (array['Lovelace','Okri','Laine','Patel','McCrae','Weldon','Hughes','Nowak','Evans','Byrne','Khan'])[1 + (p - 1) % 11],
       date '1950-01-01' + p * 131 % 18000,
       'PC-' || lpad((case p when 402 then 401 else p end * 4099)::text, 7, '0'),
       lpad((9000000 + n)::text, 8, '0'),
       (array['Harbour','Willow','Northgate','Beacon','Thistle','Riverside','Foundry','Orchard'])[1 + n % 8] || ' '
         || (array['Bakery','Design','Logistics','Software','Joinery','Catering','Energy'])[1 + n % 7] || ' Ltd',
       case when n % 11 = 0 then 'dormant' else 'active' end,
       (array['A','C','F','G','I','J','M'])[1 + n % 7],
       date '2010-01-01' + (n * 37 % 5800),
       (array['LS1','M4','BS8','EH3','CF10','BT7','NE1','SW1A'])[1 + n % 8] || ' ' || (1 + n % 9) || (array['AA','BQ','DF'])[1 + n % 3]
from generate_series(1, 500) n cross join lateral (select case n when 500 then 403 else n end) people(p);
create role registry_reader login password 'example-registry-reader';
grant select on company to registry_reader;
