-- The schedule: one row a task, with its last firing. version counts the writes; who writes says
-- which version he read, so of two who would fire one does.
create table tasks (
  name     text not null primary key,
  version  integer not null check (version >= 1),
  due      text not null,
  holder   text not null,
  started  text not null,
  lease    text not null,
  finished text not null,
  outcome  text not null,
  note     text not null,
  failures integer not null,
  succeeded text not null,
  skipped  text not null
) strict;
