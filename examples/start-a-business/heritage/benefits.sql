-- The Benefits Department's heritage database: made-up claims, several for some people, the same on every machine.
create table claim (
  claim_no text primary key, person_ref text not null, kind text not null, started_on date not null, weekly_amount numeric(8, 2)
);
insert into claim
select 'C' || lpad((n * 10 + k)::text, 8, '0'), 'P' || lpad(n::text, 6, '0'),
       (array['housing','childcare','carer','new-enterprise'])[1 + (n + k) % 4], date '2019-01-01' + ((n * 29 + k * 301) % 2600), 20 + (n * 13 + k * 7) % 180
from generate_series(1, 400) n, generate_series(1, 1 + n % 3) k;
create role benefits_reader login password 'example-benefits-reader';
grant select on claim to benefits_reader;
