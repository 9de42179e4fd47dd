"""A store's whole schema as PostgreSQL's catalogues tell it, one text per object, so that two stores can be compared.

Left out is what the keeper makes of a plan: what lies in the schemas product, answer and door, staging tables of products, foreign tables of heritage,
the roles of agreements and what they may do. Rights are told one by one and with PostgreSQL's defaults, in order, so that nothing depends on how they came to be.
"""

from __future__ import annotations

from typing import Any

_MADE = "('product', 'answer', 'door')"
_STAGING = "('progress', 'refused', 'quarantine', 'content')"
_OWN = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
_ACL = """create or replace function pg_temp.rights(acl aclitem[], kind "char", owner oid) returns text language sql as $$
  select 'owner ' || pg_get_userbyid(owner) || coalesce(string_agg(', ' || x.line, '' order by x.line), '') from (
    select case when a.grantee = 0 then 'public' else pg_get_userbyid(a.grantee) end || ' ' || a.privilege_type || case when a.is_grantable then '*' else '' end
           || ' by ' || pg_get_userbyid(a.grantor) as line
    from aclexplode(coalesce(acl, acldefault(kind, owner))) a) x where x.line !~ '^agr_' $$"""
_FIRST_OWN = 16384  # PostgreSQL's own objects have lower numbers
_RELATIONS = f"""
select c.* , n.nspname, format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
where {_OWN} and n.nspname not in {_MADE} and not (n.nspname = 'staging' and c.relkind = 'r' and c.relname not in {_STAGING})
  and not (n.nspname = 'heritage' and c.relkind in ('f', 'v')) and c.relkind <> 'i'"""

QUERIES = {
    "role": "select rolname, concat_ws(' ', rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil, "
    "rolconfig) from pg_roles where rolname !~ '^(pg|agr)_'",
    "membership": "select concat_ws(' in ', pg_get_userbyid(member), pg_get_userbyid(roleid)), admin_option::text from pg_auth_members "
    "where pg_get_userbyid(member) !~ '^(pg|agr)_'",
    "setting": "select concat_ws(' ', d.datname, pg_get_userbyid(setrole)), setconfig::text from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase",
    "database": "select datname, pg_temp.rights(datacl, 'd', datdba) from pg_database",
    "schema": "select nspname, pg_temp.rights(nspacl, 'n', nspowner) from pg_namespace where nspname !~ '^pg_(toast|temp)'",
    "language": "select lanname, pg_temp.rights(lanacl, 'l', lanowner) from pg_language",
    "extension": "select extname, format('%s %s', extnamespace::regnamespace, extversion) from pg_extension",
    "event trigger": "select evtname, evtfoid::regprocedure::text from pg_event_trigger",
    "default right": "select concat_ws(' ', pg_get_userbyid(defaclrole), defaclnamespace::regnamespace, defaclobjtype), defaclacl::text from pg_default_acl",
    "relation": f"select r.name, concat_ws(' ', r.relkind, r.relpersistence, r.reloptions, r.relrowsecurity, r.relforcerowsecurity, r.relreplident, "
    f"pg_temp.rights(r.relacl, case r.relkind when 'S' then 's' else 'r' end::\"char\", r.relowner), "
    f"case when r.relkind = 'v' then pg_get_viewdef(r.oid) end) from ({_RELATIONS}) r",
    "column": f"select format('%s.%I', r.name, a.attname), concat_ws(' ', a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, "
    f"a.attstorage, a.attcollation::regcollation, a.attoptions, pg_get_expr(d.adbin, d.adrelid), pg_temp.rights(a.attacl, 'c', r.relowner)) "
    f"from ({_RELATIONS}) r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped "
    "left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum",
    "sequence": f"select r.name, concat_ws(' ', s.seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle) "
    f"from ({_RELATIONS}) r join pg_sequence s on s.seqrelid = r.oid",
    "index": f"select i.indexrelid::regclass::text, concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered) "
    f"from ({_RELATIONS}) r join pg_index i on i.indrelid = r.oid",
    "constraint": f"select format('%s %I', r.name, c.conname), concat_ws(' ', pg_get_constraintdef(c.oid), c.convalidated) "
    f"from ({_RELATIONS}) r join pg_constraint c on c.conrelid = r.oid",
    "trigger": f"select format('%s %I', r.name, t.tgname), concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled) "
    f"from ({_RELATIONS}) r join pg_trigger t on t.tgrelid = r.oid and not t.tgisinternal",
    "policy": f"select format('%s %I', r.name, p.polname), concat_ws(' ', p.polcmd, p.polpermissive, p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid), "
    f"pg_get_expr(p.polwithcheck, p.polrelid)) from ({_RELATIONS}) r join pg_policy p on p.polrelid = r.oid",
    "function": f"select p.oid::regprocedure::text, concat_ws(' ', pg_get_functiondef(p.oid), pg_temp.rights(p.proacl, 'f', p.proowner)) "
    f"from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {_OWN} and n.nspname not in {_MADE}",
    "type": f"select t.oid::regtype::text, concat_ws(' ', t.typtype, pg_temp.rights(t.typacl, 'T', t.typowner)) from pg_type t join pg_namespace n on n.oid = t.typnamespace "
    f"where {_OWN} and n.nspname not in {_MADE} and t.typtype in ('d', 'e', 'r')",
    "comment": f"select pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description from pg_description d where d.objoid >= {_FIRST_OWN}",
    "comment on a role": "select pg_get_userbyid(d.objoid), d.description from pg_shdescription d where d.classoid = 'pg_authid'::regclass",
    "built-in function": "select p.oid::regprocedure::text, pg_temp.rights(p.proacl, 'f', p.proowner) from pg_proc p "
    "where p.pronamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)",
    "built-in relation": "select c.oid::regclass::text, pg_temp.rights(c.relacl, 'r', c.relowner) from pg_class c "
    "where c.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) and c.relkind in ('r', 'v')",
    "built-in column": "select format('%s.%I', a.attrelid::regclass, a.attname), pg_temp.rights(a.attacl, 'c', c.relowner) from pg_attribute a "
    "join pg_class c on c.oid = a.attrelid where c.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) and a.attacl is not null",
    "ledger": "select version::text, digest from commonweal.migration",
}


async def schema_of(root: Any) -> dict[str, str]:
    """Return every object of the store, its kind and name with all that is said of it. `root` is a superuser's connection."""
    await root.execute("set search_path = pg_catalog; " + _ACL)
    found = {f"{kind} {row[0]}": row[1] for kind, query in QUERIES.items() for row in await root.fetch(query)}
    await root.execute("reset search_path; drop function pg_temp.rights")
    return found


def differences(one: dict[str, str], other: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Return what is not alike, by name, as it is in each."""
    return {name: (one.get(name), other.get(name)) for name in sorted(one | other) if one.get(name) != other.get(name)}
