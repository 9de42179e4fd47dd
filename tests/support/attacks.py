"""SQL that an agreement's own login must be refused, whatever has become of the data API."""

from __future__ import annotations

from support.data_api import subject

OWN, OTHER = 1, 2
NO = subject("P3")  # has not consented
T, NOBODY = "{table}", f"'{NO}'"
_PERSON, _SOON = "null::uuid", "now() + interval '1 day'"
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
    "DROP the door": "drop function door.a1_point(uuid, text, text, text, text, boolean)",
    "replace the door": "create or replace function door.a1_point(p_subject uuid, p_fields text, p_client text, p_purpose text) returns text language sql as 'select null'",
    "TEMP TABLE": "create temp table t (x int)",
    "CREATE SCHEMA": "create schema s",
    "CREATE EXTENSION": "create extension dblink schema door",
    "DO block": "do $$ begin end $$",
    "ALTER SYSTEM": "alter system set fsync = off",
    "SET log_statement": "set log_statement = 'none'",
    "SET session_replication_role: triggers off": "set session_replication_role = replica",
    "LOAD": "load 'auto_explain'",
    # limits, tickets, totals
    "limits: read what others have used": "select * from agreement.allowance",
    "limits: give the allowance back": "delete from agreement.allowance",
    "limits: begin a new window": "update agreement.allowance set since = since - interval '1 day'",
    "limits: use up another's allowance": f"select agreement.take({NOBODY}, 1, 1, 1, 'CW007')",
    "limits: ask who was read": f"select agreement.spent({NOBODY}, 1)",
    "ticket: read": "select * from audit.ticket",
    "ticket: forge": f"insert into audit.ticket (token, use, tx, agreement) values ({NOBODY}, 1, '1', {OWN})",
    "ticket: make good again": "update audit.ticket set taken = false",
    "ticket: redeem past the door": f"select audit.redeem({NOBODY})",
    "ticket: COPY": "copy audit.ticket to stdout",
    "totals: read": "select * from audit.total",
    "totals: set back": "update audit.horizon set tx = '0'",
    "totals: count": "select audit.count_uses()",
    "totals: tidy": "select audit.tidy()",
    "totals: publish": "select audit.transparency()",
    "uses: what is shown to whom": "select audit.shown_to(null, null)",
    # delegations, erasure, export, rights
    "delegation: read": "select * from consent.delegation",
    "delegation: read by the view": "select * from consent.delegations",
    "delegation: forge a row": f"insert into consent.delegation (delegation, event, subject, delegate, type, acts, begins, ends, made_by) values (gen_random_uuid(), 'Made', {NOBODY}, gen_random_uuid(), 'Parent', '{{See}}', now(), {_SOON}, 'subject')",
    "delegation: make": f"select consent.make_delegation({NOBODY}, {_PERSON}, 'Parent', 'See', null, null, {_SOON}, 'x')",
    "delegation: carry one in": "select consent.carry_delegation('{}'::jsonb)",
    "delegation: end": f"select consent.finish_delegation({NOBODY}, 'x')",
    "delegation: as the person": f"select person.delegate({NOBODY}, {NOBODY}, {_PERSON}, 'Adviser', 'See', null, null, {_SOON})",
    "delegation: as a registrar": f"select registrar.delegate('registry/desk', {NOBODY}, {_PERSON}, 'Parent', 'See', null, null, {_SOON})",
    "delegation: who helps whom": f"select consent.indicated({_PERSON}, {NOBODY}, 'See', null, null)",
    "erasure: read the tombstones": "select * from consent.erased",
    "erasure: bury somebody": f"insert into consent.erased (product, subject) values ('p-people', {NOBODY})",
    "erasure: dig somebody up": "delete from consent.erased",
    "erasure: erase": f"select consent.erase({NOBODY}, 'p-people', 'x')",
    "erasure: erase rows": f"select consent.erase_rows({NOBODY}, 'p-people', 'x')",
    "erasure: as the person": f"select person.erase({NOBODY}, {NOBODY}, 'people')",
    "export: records": f"select consent.records_of({NOBODY}, 'p-people')",
    "export: as the person": f"select person.export({NOBODY}, {NOBODY})",
    "proof: of somebody's use": f"select person.use_evidence({NOBODY}, {NOBODY}, 1)",
    "person: consents": f"select person.consents({NOBODY}, {NOBODY})",
    "person: who is concerned": f"select person.concerned({NOBODY})",
    "person: use items": f"select person.use_items({NOBODY}, null, 1, 1)",
    "rights: turn a law into a consent": "update agreement.rights set consent = false",
    "what if: count people by any condition": "select agreement.what_if(1::smallint, 'people', true, 'income > 100')",
    "what if: read a policy": "select agreement.visible(1::smallint, 'people', true)",
    "gate: open": "update agreement.gate set passed_until = 'infinity'",
    "SET ROLE cw_scribe": "set role cw_scribe",
    # shadowing and overloading
    "search_path of one's own: a table": "set search_path = pg_temp; create table use (x int)",
    "temporary view": "create temp view v as select 1",
    "temporary sequence": "create temp sequence s",
    "SELECT INTO temp": "select 1 as x into temp t",
    "CREATE TABLE AS": "create table door.t as select 1 as x",
    "overload the door": f"create function door.a{OWN}_point(uuid, text, text, varchar) returns text language sql as 'select null'",
    "own operator": "create operator door.= (leftarg = text, rightarg = text, function = texteq)",
    "own type": "create type door.uuid as (x text)",
    "own domain": "create domain door.t as text",
    "own aggregate": "create aggregate door.agg (text) (sfunc = textcat, stype = text)",
    "own cast": "create cast (text as uuid) with inout as implicit",
    "own rule": f"create rule r as on select to {T} do instead select 1",
    "own trigger": "create trigger t before insert on audit.use for each row execute function consent.frozen()",
    "own event trigger": "create event trigger t on ddl_command_start execute function consent.frozen()",
    "own publication": f"create publication p for table {T}",
    "own statistics": f"create statistics s on subject, born from {T}",
    "own foreign data wrapper": "create foreign data wrapper w",
    "ANALYZE VERBOSE counts rows": f"begin; analyze verbose {T}; select subject from {T}",
    "COMMENT": f"comment on table {T} is 'x'",
    "default privileges of somebody else": f"alter default privileges for role cw_owner grant select on tables to agr_{OWN}",
    "REASSIGN OWNED": f"reassign owned by agr_{OWN}_r to agr_{OWN}",
    # more of the catalogue, and what counts or names by number
    **{
        f"catalogue {rel}": f"select * from {rel} limit 1"
        for rel in (
            "pg_stat_replication", "pg_stat_ssl", "pg_stat_wal", "pg_stat_bgwriter", "pg_stat_progress_copy", "pg_statio_user_tables", "pg_stat_user_functions",
            "pg_stat_user_indexes", "pg_stats_ext", "pg_stats_ext_exprs", "pg_prepared_statements", "pg_cursors", "pg_indexes", "pg_tables", "pg_views", "pg_rules",
            "pg_sequences", "pg_user", "pg_group", "pg_database", "pg_index", "pg_depend", "pg_shdepend", "pg_description", "pg_db_role_setting", "pg_auth_members",
            "pg_init_privs", "pg_default_acl", "pg_foreign_server", "pg_user_mapping", "pg_hba_file_rules", "pg_file_settings", "pg_config", "pg_shmem_allocations",
            "pg_backend_memory_contexts", "pg_replication_slots", "pg_subscription", "pg_publication_tables", "information_schema.column_privileges",
        )
    },
    **{
        f"function {call.split('(')[0]} (activity, names)": f"select {call}"
        for call in (
            "pg_current_xact_id()", "pg_current_xact_id_if_assigned()", "age('3'::xid)", "mxid_age('3'::xid)", "pg_control_checkpoint()", "pg_control_system()",
            "pg_describe_object(1259, 16400, 2)", "pg_identify_object(1259, 16400, 2)", "pg_get_userbyid(10)", "col_description(16400, 1)", "obj_description(16400)",
            "pg_get_function_arguments(16400)", "pg_prepared_xact()", "pg_tablespace_databases(1663)", "pg_filenode_relation(0, 16400)", "currval('audit.use_id_seq')",
            "setval('audit.use_id_seq', 1)", "pg_advisory_xact_lock(1, 5)", "pg_try_advisory_xact_lock(1, 5)", "pg_advisory_unlock_all()", "pg_stat_get_activity(null)",
            "pg_stat_reset()", "pg_promote()", "pg_switch_wal()", "pg_create_restore_point('x')", "pg_log_backend_memory_contexts(1)", "pg_rotate_logfile()",
        )
    },
}  # fmt: skip
