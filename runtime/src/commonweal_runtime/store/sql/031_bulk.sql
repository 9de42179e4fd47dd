-- A load brings a million people at once. What each of them has said is then looked up for all together, not row by row: that took a hundred times as long.
-- What people's rows of a product must carry, where they have said anything.
create view consent.standings as
  select r.product, s.subject,
         coalesce(array_agg(s.agreement order by s.agreement) filter (where s.given and coalesce(s.valid_until > clock_timestamp(), true)), '{}') as consent,
         coalesce(array_agg(s.agreement order by s.agreement) filter (where s.objected), '{}') as objection,
         coalesce(min(s.valid_until) filter (where s.given and s.valid_until > clock_timestamp()), 'infinity') as lapse
  from consent.state s join agreement.register r on r.number = s.agreement group by r.product, s.subject;
alter view consent.standings owner to cw_keeper;
revoke all on consent.standings from public;

-- The trigger of every product table, as before but for its first line. A merge has locked the people, left out the erased and brought the arrays of
-- `consent.standings` by itself; it says so for its own transaction. Only the superuser inserts into these tables, so nobody else can say it.
create or replace function consent.on_arrival() returns trigger language plpgsql security definer set search_path = pg_catalog as $$ begin
  if current_setting('commonweal.standings', true) = 'brought' then return new; end if;
  perform consent.lock_person(new.subject);
  if exists (select from consent.erased e where e.product = split_part(tg_argv[0], '@', 1) and e.subject = new.subject) then return null; end if;
  select s.consent, s.objection, s.lapse into new._consent, new._objection, new._lapse from consent.standing(new.subject, tg_argv[0]) s;
  return new;
end $$;
