-- Tables that only grow are held against a caller in a loop: what opens something counts, a hundred a day. What closes is always taken, and as it can only
-- follow what opens, it is bounded by that. What other sites tell (`feed`), a move and the keeper write under other logins, and each has its own bounds.

-- CW015: said too often. The message is the seconds to wait.
create function consent.opens_often(p_times timestamptz[]) returns void stable language plpgsql set search_path = pg_catalog as $$ begin
  if cardinality(p_times) >= 100 then
    raise exception using errcode = 'CW015',
      message = greatest(1, ceil(extract(epoch from (select min(t) from unnest(p_times) t) + interval '1 day' - clock_timestamp())))::bigint::text;
  end if;
end $$;

create function consent.brake_event() returns trigger language plpgsql security definer set search_path = pg_catalog as $$ begin
  perform consent.lock_person(new.subject);                                    -- so that two at once are counted one after the other
  perform consent.opens_often(array(
    select e.at from consent.event e where e.subject = new.subject and e.agreement = new.agreement
       and e.kind in ('Given', 'Renewed', 'ObjectionLifted') and e.at > clock_timestamp() - interval '1 day' order by e.seq desc limit 100));
  return new;
end $$;

create function consent.brake_delegation() returns trigger language plpgsql security definer set search_path = pg_catalog as $$ begin
  perform consent.lock_person(new.subject);
  perform consent.opens_often(array(
    select d.at from consent.delegation d where d.subject = new.subject and d.event = 'Made'
       and d.at > clock_timestamp() - interval '1 day' order by d.seq desc limit 100));
  return new;
end $$;

create trigger a_brake before insert on consent.event for each row
  when (session_user = 'person' and new.kind in ('Given', 'Renewed', 'ObjectionLifted')) execute function consent.brake_event();
create trigger a_brake before insert on consent.delegation for each row
  when (session_user in ('person', 'api') and new.event = 'Made') execute function consent.brake_delegation();
revoke all on function consent.opens_often(timestamptz[]), consent.brake_event(), consent.brake_delegation() from public;
