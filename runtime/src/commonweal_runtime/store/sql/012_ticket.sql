-- Strict products are read in two transactions: `ask` commits the audit row and hands out a ticket, `take` gives the rows for a ticket that an EARLIER
-- transaction has committed. So no rows can be had in a transaction that is then rolled back together with its audit row.
create table audit.ticket (
  token uuid primary key default gen_random_uuid(),                            -- random: a number would tell how much others read
  use bigint not null,
  tx xid8 not null default pg_current_xact_id(),
  at timestamptz not null default clock_timestamp(),
  agreement smallint not null default substr(session_user::text, 5)::smallint,
  next uuid,                                                                   -- where the page after this one begins
  taken boolean not null default false
);
create index ticket_at on audit.ticket (at);

-- What a ticket was given for. CW011: unknown, another agreement's, of this very transaction, used before, or older than five seconds; which of them is
-- not said.
create function audit.redeem(p_token uuid, out op text, out subject uuid, out subjects uuid[], out fields text, out next uuid)
language plpgsql volatile security definer set search_path = pg_catalog as $$
declare v_use bigint; begin
  update audit.ticket t set taken = true
   where t.token = p_token and not t.taken and t.agreement = substr(session_user::text, 5)::smallint and t.at > clock_timestamp() - interval '5 seconds'
     and t.tx is distinct from pg_current_xact_id_if_assigned()
   returning t.use, t.next into v_use, next;
  if not found then raise exception using errcode = 'CW011', message = 'ticket void'; end if;
  select u.op, u.subject, u.subjects, u.fields into op, subject, subjects, fields from audit.use u where u.id = v_use;
end $$;

alter table audit.ticket owner to cw_owner;
grant select, update, delete on audit.ticket to cw_keeper;
grant usage on schema audit to cw_keeper;
grant select on audit.use to cw_keeper;
alter function audit.redeem(uuid) owner to cw_keeper;
revoke all on function audit.redeem(uuid) from public;
