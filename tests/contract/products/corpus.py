"""Texts that try to leave the place they are written in: one to a line, by what they try. Written for PostgreSQL 15 and for the parser that stands before it."""

from __future__ import annotations

END_THE_STATEMENT = r"""
1; drop table canary
'; drop table canary; --
'); drop table canary; --
')) ; drop table canary; --
"; drop table canary; --
1); drop table canary; select (1
full_name; delete from canary
full_name;; delete from canary
full_name) from incoming; delete from canary; select (1
full_name from canary; --
full_name limit 0) x; truncate canary; --
x' or '1'='1
x' or 1=1 --
x') or ('1'='1
x'/**/or/**/1=1--
1 or 1=1
'' or true
' || (delete from canary returning 'x') || '
'; insert into canary values (2); --
'; update canary set n = 2; --
'; create table stolen (n int); --
'; create role intruder superuser; --
'; alter role postgres password 'x'; --
'; grant all on all tables in schema product to public; --
'; copy canary to program 'id'; --
'; copy (select 1) to '/tmp/commonweal-stolen'; --
'; do $$ begin delete from canary; end $$; --
'; begin; delete from canary; commit; --
'; rollback; delete from canary; --
'; set role cw_owner; --
'; reset all; set session authorization default; --
'; set row_security = off; --
'; prepare p as delete from canary; execute p; --
'; declare c cursor for select 1; --
'; listen commonweal_catalogue; notify commonweal_catalogue; --
'; lock table canary; --
'; vacuum canary; --
'; create function f() returns int language sql as 'select 1'; --
'; create extension dblink; --
'; load 'auto_explain'; --
'; select pg_reload_conf(); --
"""

LEAVE_THE_QUOTES = r"""
\'; drop table canary; --
\\'; drop table canary; --
\\\'; drop table canary; --
'' ; drop table canary; --
''''; drop table canary; --
''; drop table canary; ''
E'\'; drop table canary; --'
e'\x27; drop table canary; --'
E'\047 or true'
U&'\0027; drop table canary; --'
U&'d!0061t!+000061' UESCAPE '!'
U&"d\0061t\+000061"
$$; drop table canary; $$
$tag$; drop table canary; $tag$
$door$; drop table canary; --
$body$ end; drop table canary; $body$
x'41'
b'0101'
N'x'
'a' 'b'
'unclosed
"unclosed
$$unclosed
$a$unclosed
/* unclosed
'/*'*/; drop table canary; --'
' /* ' ; drop table canary; -- */
-- only a comment
full_name -- and a comment
full_name /* and a comment */
full_name /*! 50000 and 1 */
full_name # comment
full_name --+ hint
‘; drop table canary; --’
ʼ; drop table canary; --
＇; drop table canary; --
%27; drop table canary; --
&#39;; drop table canary; --
"""

ASK_ANOTHER_QUERY = r"""
(select 1)
(select n from canary)
(select string_agg(n::text, ',') from canary)
(select rolpassword from pg_authid limit 1)
(select current_setting('data_directory'))
(table canary)
(values (1))
(with x as (delete from canary returning 1) select count(*) from x)
exists (select 1)
exists (select from canary where pg_sleep(1) is null)
not exists (select 1)
full_name in (select 1::text)
full_name = any (select 1::text)
full_name = all (array['x'])
full_name = some (array['x'])
array(select 1)
array[full_name]
array(select n from canary)[1]
row(full_name, 1)
(full_name, 1)
(full_name).x
row(incoming.*)
incoming
incoming.*
*
incoming.full_name
public.canary
pg_catalog.pg_authid
canary.n
count(*)
sum(score)
string_agg(full_name, ',')
max(full_name) over ()
row_number() over (order by full_name)
full_name union select 'x'
full_name intersect select 'x'
full_name order by 1
full_name limit 1
full_name as other
full_name other
lateral (select 1)
unnest(array[1,2,3])
generate_series(1, 1000000000)
case when true then (select 1) end
coalesce(full_name, (select n::text from canary))
nullif((select 1), 1)
"""

CALL_WHAT_IS_NOT_LISTED = r"""
pg_sleep(10)
pg_sleep_for('10 seconds')
pg_catalog.pg_sleep(10)
"pg_catalog"."pg_sleep"(10)
"pg_sleep"(10)
PG_SLEEP(10)
pg_read_file('/etc/passwd')
pg_read_binary_file('/etc/passwd')
pg_ls_dir('/')
pg_stat_file('/etc/passwd')
lo_import('/etc/passwd')
lo_export(1, '/tmp/x')
lo_get(1)
pg_terminate_backend(1)
pg_cancel_backend(1)
pg_rotate_logfile()
pg_switch_wal()
pg_advisory_lock(1)
set_config('role', 'cw_owner', false)
current_setting('config_file')
current_setting('is_superuser')
version()
current_user
session_user
user
current_role
current_catalog
current_schema
current_database()
inet_server_addr()
inet_client_addr()
txid_current()
pg_current_xact_id()
pg_backend_pid()
pg_postmaster_start_time()
now()
clock_timestamp()
statement_timestamp()
current_timestamp
current_time
localtime
localtimestamp
timeofday()
random()
gen_random_uuid()
nextval('consent.event_seq')
setval('consent.event_seq', 1)
lastval()
query_to_xml('delete from canary', true, true, '')
table_to_xml('canary', true, true, '')
database_to_xml(true, true, '')
cursor_to_xml('c', 1, true, true, '')
xpath('/x', '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>')
xmlparse(document '<x/>')
to_json(full_name)
row_to_json(incoming)
json_agg(full_name)
jsonb_path_query('{}', '$.x')
regexp_replace(full_name, '(a+)+$', 'x')
regexp_matches(full_name, '(x+x+)+y')
regexp_split_to_array(full_name, '')
full_name ~ '(a+)+$'
full_name ~* 'x'
full_name !~ 'x'
full_name similar to '(a|b)*'
full_name ilike 'x%'
full_name like full_name
full_name like '%a%b%c%d%e%f%g%'
full_name like 'x' escape '!'
repeat(full_name, 1000000000)
lpad(full_name, 1000000000, 'x')
lpad(full_name, score::int, 'x')
rpad('x', 1000000000)
replace(full_name, 'P', full_name)
replace(full_name, '', 'xxxxxxxxxxxxxxxxxxxxxxxx')
replace(replace(replace(replace(replace(full_name,'P','PPPPPPPP'),'P','PPPPPPPP'),'P','PPPPPPPP'),'P','PPPPPPPP'),'P','PPPPPPPP')
format('%s', full_name)
format('%1$*2$s', full_name, 1000000000)
encode(full_name::bytea, 'hex')
convert_from('x', 'UTF8')
translate(full_name, 'a', 'b')
overlay(full_name placing 'x' from 1)
position('x' in full_name)
substring(full_name from '(a+)+$')
substring(full_name, score::int)
substring(full_name from 1 for 2147483647)
left(full_name, 99999999999)
trim(both full_name from full_name)
to_char(score, 'FM' || full_name)
to_char(seen, 'TMDay TZ')
to_date(full_name, full_name)
extract(epoch from seen)
extract(timezone from seen)
date_trunc('day', seen)
date_part('year', seen)
age(born)
seen at time zone full_name
make_interval(years => 1)
interval '1 year 2 mons'
interval full_name
power(score, 1000000)
score ^ 1000000
exp(100000)
factorial(100000)
10 ** 10
score!
|/ score
@ score
~ score
score & 1
score << 62
score operator(pg_catalog.+) 1
full_name collate "C"
full_name collate "x"; drop table canary
lower(full_name order by 1)
lower(distinct full_name)
lower(variadic array[full_name])
lower(full_name) filter (where true)
lower(full_name) within group (order by 1)
lower(str => full_name)
cast(full_name as regclass)
full_name::regproc
full_name::regrole
full_name::oid
full_name::xml
full_name::json
full_name::bytea
full_name::name
full_name::text[]
full_name::varchar(1)
full_name::pg_catalog.text
full_name::mapping.day
full_name::"char"
full_name::time
full_name::interval
full_name::money
full_name::inet
full_name::int4range
date 'today'
date 'now'
timestamptz 'now'
'tomorrow'::date
'epoch'::timestamptz
'infinity'::date
date 'allballs'
0x7fffffff
1e999
1e131071
99999999999999999999999999
1_000
.5
$1
:name
?
@variable
@@version
{{ full_name }}
{% raw %}
${full_name}
#{full_name}
<script>alert(1)</script>
ctid
xmin
tableoid
"ctid"
"full name"
"full""name"
"a;drop table canary"
"incoming"."full_name"
"".""
""
if(true, 1, 2)
iif(true, 1, 2)
decode(full_name, 'hex')
try_cast(full_name as int)
convert(int, full_name)
full_name is json
full_name is document
full_name is of (text)
full_name is distinct from (select 1)
full_name overlaps score
full_name -> 'x'
full_name ->> 'x'
full_name #>> '{}'
full_name @> 'x'
full_name ?| array['x']
full_name[1]
full_name[1:2]
full_name.*
grouping(full_name)
values
select
null; null
true; false
default
"""

DEEP = (
    "(" * 200 + "full_name" + ")" * 200,
    "not " * 100 + "active",
    "-" * 120 + "score",
    " + ".join(["score"] * 80),
    "case when active then " * 25 + "1" + " end" * 25,
    "full_name || " * 30 + "full_name",
    "coalesce(" * 40 + "full_name" + ", 'x')" * 40,
    "a" * 2000,
    "'" * 300,
    "(" * 450,
    "\x00full_name",
    "full_name\x00; drop table canary",
    "full_name\u2028; drop table canary",
    "\ufefffull_name",
    "ｆｕｌｌ＿ｎａｍｅ",
    "full_name\r\n; drop table canary",
    "\ud800",
)

CORPUS = (
    tuple(
        dict.fromkeys(
            line
            for part in (END_THE_STATEMENT, LEAVE_THE_QUOTES, ASK_ANOTHER_QUERY, CALL_WHAT_IS_NOT_LISTED)
            for line in part.splitlines()
            if line
        )
    )
    + DEEP
)
