-- What was read. One row a request, written by the statement that reads. Who, when and in which transaction are defaults that a reader has no right to
-- fill in. A point read names its subject in `subject`, a page all of them in `subjects`: so the row of the usual read has no array to index.
create table audit.use (
  id bigint generated always as identity primary key,
  tx xid8 not null default pg_current_xact_id(),
  at timestamptz not null default clock_timestamp(),
  agreement smallint not null default substr(session_user::text, 5)::smallint,
  client text not null, purpose text not null, op text not null,
  contract text not null,                        -- agreement.contract: the terms and fields in force
  fields text,                                   -- those asked for; null: all that were agreed
  subject uuid, subjects uuid[],
  found integer not null,                        -- records given; 0 = asked for, not given
  check ((subject is null) <> (subjects is null))
);
create index use_subject on audit.use (subject, id) where subject is not null;
create index use_subjects on audit.use using gin (subjects) where subjects is not null;
alter table audit.use owner to cw_owner;
create trigger frozen   before update or delete on audit.use for each row execute function consent.frozen();
create trigger frozen_t before truncate on audit.use for each statement execute function consent.frozen();
create trigger frozen   before update or delete on agreement.contract for each row execute function consent.frozen();
create trigger frozen_t before truncate on agreement.contract for each statement execute function consent.frozen();
