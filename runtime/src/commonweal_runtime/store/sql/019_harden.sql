-- More of what PUBLIC may do by default and an agreement's login must not. Each line answers an attack in tests/contract/store.
-- Transaction numbers, ages and the control file tell how much the whole store is used; descriptions by number name columns that were not agreed.
do $$ declare f record; begin
  for f in select p.oid::regprocedure as sig from pg_proc p join pg_namespace n on n.oid = p.pronamespace
           where n.nspname = 'pg_catalog' and p.prokind = 'f' and (
             p.proname ~ '^(pg_current_xact_id|pg_control_|pg_describe_object|pg_identify_object|pg_get_(object_address|multixact_members|statisticsobjdef|function_|serial_sequence|publication_tables|replication_slots|userbyid)|pg_prepared_xact|pg_filenode_relation|pg_partition_|pg_tablespace_)'
             or p.proname in ('obj_description', 'col_description', 'shobj_description', 'mxid_age')
             or p.oid = 'age(xid)'::regprocedure)
  loop execute 'revoke execute on function ' || f.sig || ' from public'; end loop;
end $$;
grant execute on function pg_current_xact_id(), pg_current_xact_id_if_assigned() to cw_owner, cw_keeper, cw_clerk, cw_scribe;
