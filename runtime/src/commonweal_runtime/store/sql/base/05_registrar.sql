-- Registrars: the department's own accounts that keep the register of parents and attorneys. The data API has checked the token of `p_client`; whether
-- it is a registrar is decided here.
create schema registrar authorization cw_owner;
create function registrar.checked(p_client text) returns text stable language plpgsql security definer set search_path = pg_catalog as $$ begin
  if not exists (select from agreement.department d, unnest(d.registrars) r where p_client = d.name || '/' || r) then
    raise exception using errcode = 'CW403', message = 'not a registrar of this department';
  end if;
  return p_client;
end $$;

create function registrar.delegate(p_client text, p_subject uuid, p_delegate uuid, p_type text, p_acts text, p_agreements text, p_begins timestamptz,
                                   p_ends timestamptz) returns text
language plpgsql security definer set search_path = pg_catalog as $$
declare v_by text := registrar.checked(p_client); v_id uuid; begin
  if p_type is distinct from 'Parent' and p_type is distinct from 'Attorney' then
    raise exception using errcode = 'CW400', message = 'type: a registrar records Parent and Attorney.';
  end if;
  v_id := consent.make_delegation(p_subject, p_delegate, p_type, p_acts, p_agreements, p_begins, p_ends, v_by);
  return consent.shown_delegation(v_id)::text;
end $$;

create function registrar.end_delegation(p_client text, p_id uuid) returns text language plpgsql security definer set search_path = pg_catalog as $$
declare v_by text := registrar.checked(p_client); begin
  if not exists (select from consent.delegation where delegation = p_id and type in ('Parent', 'Attorney')) then
    raise exception using errcode = 'CW404', message = 'no such delegation';
  end if;
  perform consent.finish_delegation(p_id, v_by);
  return consent.shown_delegation(p_id)::text;
end $$;

create function registrar.delegations(p_client text, p_subject uuid) returns text stable language plpgsql security definer set search_path = pg_catalog as $$ begin
  perform registrar.checked(p_client);
  return json_build_object('items', coalesce((select json_agg(consent.shown_delegation(d.delegation) order by d.seq desc) from consent.delegations d
                                              where d.subject = p_subject and d.type in ('Parent', 'Attorney')), '[]'))::text;
end $$;

do $$ declare f text; begin
  foreach f in array array['checked(text)', 'delegate(text, uuid, uuid, text, text, text, timestamptz, timestamptz)', 'end_delegation(text, uuid)', 'delegations(text, uuid)'] loop
    execute 'alter function registrar.' || f || ' owner to cw_clerk';
    execute 'revoke all on function registrar.' || f || ' from public';
  end loop;
end $$;
grant usage on schema registrar to cw_clerk, api;
grant execute on function registrar.delegate(text, uuid, uuid, text, text, text, timestamptz, timestamptz), registrar.end_delegation(text, uuid),
                          registrar.delegations(text, uuid) to api;
