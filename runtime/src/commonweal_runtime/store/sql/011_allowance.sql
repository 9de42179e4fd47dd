-- How often an agreement may be used. Counted on what is asked, not on what is found, in the transaction that writes the audit row; the row's lock
-- makes two that cross count one after the other. Nothing of this is called for an agreement without such limits.
create table agreement.allowance (
  agreement smallint not null references agreement.register (number),
  whole boolean not null,                        -- the agreement as a whole (then `subject` is nil), or one subject
  subject uuid not null,
  since timestamptz not null, taken int not null,
  until timestamptz not null,                    -- infinity: once, for as long as the agreement lives
  primary key (agreement, whole, subject)
) with (fillfactor = 70);
create index allowance_until on agreement.allowance (until) where until < 'infinity';

-- Takes `p_count` of the `p_most` that the caller's agreement has in `p_seconds` (null: for ever), or refuses with `p_state` and the seconds to wait
-- (0: waiting does not help). A window begins with the first request after the one before it has ended.
create function agreement.take(p_subject uuid, p_count int, p_most int, p_seconds int, p_state text) returns void
language plpgsql volatile security definer set search_path = pg_catalog as $$
declare v_span interval := make_interval(secs => p_seconds); v_taken int; v_until timestamptz; begin
  if p_subject is null then raise exception using errcode = 'CW400', message = 'subject: name one.'; end if;
  insert into agreement.allowance as a (agreement, whole, subject, since, taken, until)
  values (substr(session_user::text, 5)::smallint, p_state = 'CW007', p_subject, clock_timestamp(), p_count, coalesce(clock_timestamp() + v_span, 'infinity'))
  on conflict (agreement, whole, subject) do update set
    since = case when coalesce(a.since + v_span <= excluded.since, false) then excluded.since else a.since end,
    taken = case when coalesce(a.since + v_span <= excluded.since, false) then excluded.taken else a.taken + excluded.taken end,
    until = case when coalesce(a.since + v_span <= excluded.since, false) then excluded.until else coalesce(a.since + v_span, 'infinity') end
  returning taken, until into v_taken, v_until;
  if v_taken > p_most then
    raise exception using errcode = p_state,
      message = case when p_seconds is null then '0' else greatest(1, ceil(extract(epoch from v_until - clock_timestamp())))::bigint::text end;
  end if;
end $$;

-- Whether nothing is left for a subject: a page leaves such people out.
create function agreement.spent(p_subject uuid, p_most int) returns boolean stable language sql security definer set search_path = pg_catalog as $$
  select exists (select from agreement.allowance where agreement = substr(session_user::text, 5)::smallint and not whole
                 and subject = p_subject and taken >= p_most and until > statement_timestamp()) $$;

alter table agreement.allowance owner to cw_owner;
grant select, insert, update, delete on agreement.allowance to cw_keeper;
alter function agreement.take(uuid, int, int, int, text) owner to cw_keeper;
alter function agreement.spent(uuid, int) owner to cw_keeper;
revoke all on function agreement.take(uuid, int, int, int, text), agreement.spent(uuid, int) from public;
