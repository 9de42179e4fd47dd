-- Whom an agreement shows now: the conditions of its policies, or nobody. `p_open`: its door is open.
create function agreement.visible(p_number smallint, p_relation text, p_open boolean) returns text stable language sql set search_path = pg_catalog as $$
  select case when p_open then coalesce((
    select string_agg('(' || pg_get_expr(p.polqual, p.polrelid) || ')', ' and ' order by p.polname) from pg_policy p
     where p.polrelid = format('product.%I', p_relation)::regclass and p.polname ~ format('^a%s_', p_number)), 'false') else 'false' end $$;

-- How many people would be shown who are not, and the other way round, if the conditions `p_then` took the place of those in force. Counts; opens nothing.
create function agreement.what_if(p_number smallint, p_relation text, p_open boolean, p_then text, out gained bigint, out lost bigint, out as_of timestamptz)
stable language plpgsql set search_path = pg_catalog as $$ begin
  as_of := statement_timestamp();
  execute format('select count(*) filter (where t and not n), count(*) filter (where n and not t)
                  from (select bool_or(%s) as n, bool_or(%s) as t from product.%I group by subject) people',
                 agreement.visible(p_number, p_relation, p_open), p_then, p_relation) into gained, lost;
end $$;
revoke all on function agreement.visible(smallint, text, boolean), agreement.what_if(smallint, text, boolean, text) from public;
