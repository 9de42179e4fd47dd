-- The Benefits Department's heritage database: made-up claims, several for some people, the same on every machine. It knows a person by the national
-- insurance number; the prefix QQ is never given to anybody. From person 401 on nobody claims.
create table claim (
  claim_no text primary key, nino text not null, family_name text not null, born_on date not null,
  kind text not null, started_on date not null, weekly_amount numeric(8, 2)
);
insert into claim
select 'C' || lpad((n * 10 + k)::text, 8, '0'), 'QQ' || lpad((n * 1831)::text, 6, '0') || (array['A','B','C','D'])[1 + n % 4],
       (array['Lovelace','Okri','Laine','Patel','McCrae','Weldon','Hughes','Nowak','Evans','Byrne','Khan'])[1 + (n - 1) % 11],
       date '1950-01-01' + n * 131 % 18000,
       (array['housing','childcare','carer','new-enterprise'])[1 + (n + k) % 4], date '2019-01-01' + ((n * 29 + k * 301) % 2600), 20 + (n * 13 + k * 7) % 180
from generate_series(1, 400) n, generate_series(1, 1 + n % 3) k;
create role benefits_reader login password 'example-benefits-reader';
grant select on claim to benefits_reader;
