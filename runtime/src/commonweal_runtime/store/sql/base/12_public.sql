-- What PUBLIC may do by default and an agreement's login must not. Each line answers an attack in tests/contract/store/test_attacks*.py.
-- Superuser tools (dump, psql \d) keep working; drivers that ask pg_type for built-in types do not need it.
do $$ declare d record; begin
  for d in select datname from pg_database loop execute format('revoke temporary, connect on database %I from public', d.datname); end loop;
  execute format('grant connect on database %I to api, person, feed', current_database());
end $$;
revoke all on schema public from public;
revoke usage on language plpgsql from public;                        -- no DO blocks: no caught-error oracles, no loops
revoke select on all tables in schema pg_catalog from public;         -- reltuples, pg_stats, pg_policy, pg_roles, pg_proc source, activity, locks
revoke select on all tables in schema information_schema from public;
grant select on pg_catalog.pg_type to public;                        -- harmless; some drivers read it
do $$ declare f record; begin
  for f in select p.oid::regprocedure as sig from pg_proc p join pg_namespace n on n.oid = p.pronamespace
           where n.nspname = 'pg_catalog' and p.prokind = 'f' and (
             p.proname ~ '^(pg_stat_get_|pg_stat_|pg_advisory_|pg_try_advisory_|lo_|pg_sleep|pg_get_(functiondef|viewdef|function_sqlbody|constraintdef|ruledef|triggerdef|expr|indexdef)|pg_.*_size$|txid_|pg_snapshot|pg_.*snapshot$|pg_.*_lsn|pg_logical_|pg_replication_|pg_lock|pg_blocking|pg_safe_snapshot|pg_last_|pg_xact|pg_sequence)'
             or p.proname in ('loread', 'lowrite', 'pg_notify', 'pg_listening_channels', 'pg_relation_filepath', 'pg_relation_filenode', 'pg_database_size',
                              'pg_cancel_backend', 'pg_terminate_backend'))
  loop execute 'revoke execute on function ' || f.sig || ' from public'; end loop;
end $$;
-- Transaction numbers, ages and the control file tell how much the whole store is used; descriptions by number name columns that were not agreed.
do $$ declare f record; begin
  for f in select p.oid::regprocedure as sig from pg_proc p join pg_namespace n on n.oid = p.pronamespace
           where n.nspname = 'pg_catalog' and p.prokind = 'f' and (
             p.proname ~ '^(pg_current_xact_id|pg_control_|pg_describe_object|pg_identify_object|pg_get_(object_address|multixact_members|statisticsobjdef|function_|serial_sequence|publication_tables|replication_slots|userbyid)|pg_prepared_xact|pg_filenode_relation|pg_partition_|pg_tablespace_)'
             or p.proname in ('obj_description', 'col_description', 'shobj_description', 'mxid_age')
             or p.oid = 'age(xid)'::regprocedure)
  loop execute 'revoke execute on function ' || f.sig || ' from public'; end loop;
end $$;
-- What the store's own functions call of it.
grant execute on function pg_advisory_xact_lock(int, int), pg_advisory_xact_lock_shared(int, int) to cw_keeper;
grant execute on function pg_current_xact_id(), pg_current_xact_id_if_assigned() to cw_owner, cw_keeper, cw_clerk, cw_scribe;
grant execute on function pg_current_snapshot(), pg_snapshot_xip(pg_snapshot), pg_snapshot_xmax(pg_snapshot), pg_visible_in_snapshot(xid8, pg_snapshot)
  to cw_keeper, cw_clerk;
grant execute on function pg_snapshot_xmin(pg_snapshot) to cw_keeper;
