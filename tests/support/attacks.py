"""SQL that an agreement's own login must be refused, whatever has become of the data API."""

from __future__ import annotations

from support.data_api import subject

OWN, OTHER = 1, 2
NO = subject("P3")  # has not consented
T, NOBODY = "{table}", f"'{NO}'"
REFUSED = {
    # the table itself: columns, rows, oracles
    "granted column by plain SELECT: rows without an audit row": f'select "fullName" from {T} limit 1',
    "ungranted column in SELECT": f"select income from {T} limit 1",
    "ungranted column in WHERE": f"select subject from {T} where born < '1950-01-01' limit 1",
    "ungranted column in ORDER BY": f"select subject from {T} order by born limit 1",
    "ungranted column through the whole row": f"select row_to_json(l) from {T} l limit 1",
    "ungranted column through JOIN USING": f"select count(*) from {T} a join {T} b using (postcode)",
    "SELECT *": f"select * from {T} limit 1",
    "consent arrays": f"select _consent from {T} limit 1",
    "system columns": f"select ctid, xmin from {T} limit 1",
    "denied row by key": f"select subject from {T} where subject = {NOBODY}",
    "cheap leaking function": f'select subject from {T} where spy.peek("fullName", subject)',
    "cast error as oracle": f'select 1 from {T} where subject = {NOBODY} and "fullName"::int = 1',
    "LIKE": f"select subject from {T} where \"fullName\" like 'Person 3%'",
    "count": f"select count(*) from {T}",
    "TABLESAMPLE": f"select subject from {T} tablesample system (50)",
    "row_security off": f"set row_security = off; select subject from {T}",
    "unknown column for a HINT": f"select incom from {T}",
    "EXPLAIN estimate": f'explain select subject from {T} where "birthYear" = 1950',
    "EXPLAIN ANALYZE": f"explain (analyze, timing off) select subject from {T} where subject = {NOBODY}",
    "COPY TO STDOUT": f"copy {T} to stdout",
    "COPY TO PROGRAM": "copy (select 1) to program 'true'",
    "COPY FROM file": f"copy {T} from '/etc/passwd'",
    "LOCK TABLE": f"begin; lock table {T} in access share mode",
    "SELECT FOR UPDATE": f"select subject from {T} limit 1 for update",
    "UPDATE own consent into the row": f"update {T} set _consent = '{{{OWN}}}'",
    "INSERT a row": f"insert into {T} (subject) values ({NOBODY})",
    "DELETE": f"delete from {T}",
    "TRUNCATE": f"truncate {T}",
    "ALTER TABLE": f"alter table {T} disable row level security",
    "CREATE POLICY": f"create policy mine on {T} using (true)",
    "GRANT": f"grant select on {T} to agr_{OWN}",
    # catalogues
    **{
        f"catalogue {rel}": f"select * from {rel} limit 1"
        for rel in (
            "pg_stats", "pg_statistic", "pg_class", "pg_policies", "pg_policy", "pg_roles", "pg_authid", "pg_proc", "pg_attribute", "pg_locks",
            "pg_stat_activity", "pg_stat_user_tables", "pg_stat_database", "pg_settings", "pg_shadow", "pg_namespace", "pg_constraint", "pg_trigger",
            "pg_largeobject", "pg_prepared_xacts", "information_schema.columns", "information_schema.tables",
        )
    },
    # functions
    **{
        f"function {call.split('(')[0]}": f"select {call}"
        for call in (
            "pg_stat_get_live_tuples(1)", "pg_current_wal_lsn()", "pg_current_snapshot()", "lo_create(0)", "lo_import('/etc/passwd')",
            "pg_advisory_lock(1)", "pg_try_advisory_lock(1)", "pg_notify('c', 'x')", "pg_logical_emit_message(false, 'x', 'y')", "pg_export_snapshot()",
            "pg_get_functiondef(1)", "pg_get_viewdef(1)", "pg_sleep(0)", "txid_current()", "pg_read_file('/etc/hostname')", "pg_ls_dir('.')",
            "query_to_xml('select * from audit.use', true, false, '')", "pg_relation_size(1)", "pg_database_size(1)", "pg_terminate_backend(1)",
            "pg_cancel_backend(1)", "pg_reload_conf()", "pg_xact_status('1')", "pg_blocking_pids(1)", "pg_sequence_last_value(1)",
        )
    },
    # audit, sequences, consent, register
    "audit: read": "select * from audit.use limit 1",
    "audit: UPDATE": "update audit.use set client = 'x'",
    "audit: DELETE": "delete from audit.use",
    "audit: TRUNCATE": "truncate audit.use",
    "audit: another agreement's number": "insert into audit.use (agreement, client, purpose, op, contract, subject, found) values (2, 'x', 'x', 'x', 'x', gen_random_uuid(), 0)",
    "audit: own time": "insert into audit.use (at, client, purpose, op, contract, subject, found) values (now(), 'x', 'x', 'x', 'x', gen_random_uuid(), 0)",
    "audit: invented row": "insert into audit.use (client, purpose, op, contract, subject, found) values ('x', 'x', 'forged', 'x', gen_random_uuid(), 0)",
    "sequence nextval": "select nextval('audit.use_id_seq')",
    "sequence SELECT": "select last_value from audit.use_id_seq",
    "consent: INSERT an event": f"insert into consent.event (subject, agreement, kind, contract) values ({NOBODY}, {OWN}, 'Given', 'x')",
    "consent: read state": "select * from consent.state",
    "consent: sweep": "select consent.sweep()",
    "consent: invalidate": f"select consent.invalidate({OWN}::smallint, 'x')",
    "person: give": f"select person.give({NOBODY}, {NOBODY}, 'own', 'Given')",
    "person: uses": f"select person.uses({NOBODY}, {NOBODY}, 1, 1)",
    "register: read": "select * from agreement.register",
    "register: catalogue": "select agreement.catalogue()",
    "another agreement's door": f"select door.a{OTHER}_point({NOBODY}, null, 'health/app', 'health/serve')",
    # becoming somebody, making something
    **{f"SET ROLE {role}": f"set role {role}" for role in ("agr_2", "agr_2_r", "agr_1_r", "cw_owner", "cw_keeper", "cw_clerk", "api", "person", "models", "postgres")},
    "SET SESSION AUTHORIZATION": "set session authorization agr_2",
    "ALTER ROLE": "alter role agr_1 superuser",
    "CREATE ROLE": "create role mine",
    "CREATE DATABASE": "create database mine",
    "CREATE FUNCTION": "create function public.f() returns int language sql as 'select 1'",
    "CREATE FUNCTION in pg_temp": "create function pg_temp.f() returns int language sql as 'select 1'",
    "CREATE FUNCTION in door": "create function door.f() returns int language sql as 'select 1'",
    "DROP the door": "drop function door.a1_point(uuid, text, text, text)",
    "replace the door": "create or replace function door.a1_point(p_subject uuid, p_fields text, p_client text, p_purpose text) returns text language sql as 'select null'",
    "TEMP TABLE": "create temp table t (x int)",
    "CREATE SCHEMA": "create schema s",
    "CREATE EXTENSION": "create extension dblink schema door",
    "DO block": "do $$ begin end $$",
    "ALTER SYSTEM": "alter system set fsync = off",
    "SET log_statement": "set log_statement = 'none'",
    "SET session_replication_role: triggers off": "set session_replication_role = replica",
    "LOAD": "load 'auto_explain'",
}  # fmt: skip
