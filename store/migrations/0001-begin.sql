-- The first schema. Types are text, integer and blob only; dialect.go turns them into each engine's.
-- Months are YYYY-MM, dates YYYY-MM-DD, times RFC 3339 in UTC, amounts never columns; '' means none.

-- Objects of the book. A new version is a new row; nothing is changed or deleted.
create table objects (
  kind    text not null,
  id      text not null,
  version integer not null check (version >= 1),
  hash    text not null,
  body    blob not null,
  applied text not null,
  primary key (kind, id, version)
) strict;

-- One row for each agreement and month: its state and, while there is one, its draft.
-- version counts the writes; who writes says which version he read.
create table months (
  agreement  text not null,
  month      text not null,
  version    integer not null check (version >= 1),
  status     text not null,
  reasons    blob not null,
  warnings   blob not null,
  inputs     text not null,
  document   text not null,
  draft      blob not null,
  draft_hash text not null,
  report     blob not null,
  evidence   text not null,
  since      text not null,
  primary key (agreement, month)
) strict;
create index months_by_month on months (month, agreement);

create table approvals (
  agreement  text not null,
  month      text not null,
  draft_hash text not null,
  by_whom    text not null,
  at         text not null,
  primary key (agreement, month, draft_hash, by_whom),
  foreign key (agreement, month) references months (agreement, month)
) strict;

create table waivers (
  agreement text not null,
  month     text not null,
  code      text not null,
  invoice   text not null,
  bound     text not null,
  by_whom   text not null,
  reason    text not null,
  at        text not null,
  primary key (agreement, month, code, invoice, bound)
) strict;

-- Who billed an organisation for a month, whole or in parts. One row a pair: a second agreement
-- cannot bill it, nor can parts follow a whole.
create table billed (
  organisation text not null,
  month        text not null,
  agreement    text not null,
  split        integer not null check (split in (0, 1)),
  primary key (organisation, month),
  unique (organisation, month, agreement, split)
) strict;

-- The last number of each series, so that the next is found and locked in one statement.
-- The documents themselves say what is true: verify compares the two.
create table series (
  prefix     text not null,
  year       integer not null,
  seq        integer not null check (seq >= 1),
  issue_date text not null,
  head       text not null,
  primary key (prefix, year)
) strict;

-- Issued documents. A row names its predecessor in the series by number and by hash, so neither a
-- gap nor a fork can be stored. split is null for corrections, which the once-only rules let pass.
create table documents (
  id            text not null primary key,
  number        text not null unique,
  kind          text not null,
  agreement     text not null,
  month         text not null,
  organisation  text not null,
  part          text not null,
  split         integer,
  corrects      text references documents (id),
  series        text not null,
  year          integer not null,
  seq           integer not null,
  previous      integer,
  issue_date    text not null,
  evidence      text not null,
  body          blob not null,
  previous_hash text,
  hash          text not null,
  unique (series, year, seq),
  unique (series, year, seq, hash),
  check ((seq = 1 and previous is null and previous_hash is null)
      or (seq > 1 and previous is not null and previous = seq - 1 and previous_hash is not null)),
  check ((corrects is null) = (split is not null)),
  foreign key (series, year, previous, previous_hash) references documents (series, year, seq, hash),
  foreign key (organisation, month, agreement, split) references billed (organisation, month, agreement, split)
) strict;
create unique index documents_once on documents (organisation, month, part) where corrects is null;
create index documents_by_month on documents (month, agreement);
create index documents_by_agreement on documents (agreement, month);
create index documents_by_corrects on documents (corrects);

-- What an issued document looks like to people and tax authorities: made once, kept, never replaced.
create table renderings (
  document text not null references documents (id),
  format   text not null,
  template text not null,
  blob     text not null,
  primary key (document, format, template)
) strict;

-- What reading a file gave. A cache: losing it costs time only.
create table scans (
  location text not null,
  pin      text not null,
  digest   text not null,
  blob     text not null,
  primary key (location, pin)
) strict;
create index scans_by_digest on scans (digest);

-- Reference exchange rates. A corrected rate is a new version.
create table rates (
  source    text not null,
  from_code text not null,
  to_code   text not null,
  date      text not null,
  version   integer not null check (version >= 1),
  value     text not null,
  digest    text not null,
  primary key (source, from_code, to_code, date, version)
) strict;
create index rates_by_digest on rates (digest);

-- Orders and other things with a life of their own; version as for months.
create table records (
  kind    text not null,
  id      text not null,
  version integer not null check (version >= 1),
  body    blob not null,
  updated text not null,
  primary key (kind, id)
) strict;

-- The outbox: what others must be told, written in the transaction in which it became true.
create table events (
  id        integer not null primary key,
  kind      text not null,
  subject   text not null,
  body      blob not null,
  delivered text not null
) strict;
create index events_open on events (id) where delivered = '';

create table runs (
  id       text not null primary key,
  started  text not null,
  finished text not null,
  args     text not null,
  report   blob not null
) strict;

-- The audit log: append-only; each row names its predecessor by number and by hash. digest is that
-- of the row the entry is about, as written; verify computes it again from the row.
create table audit (
  seq           integer not null primary key,
  at            text not null,
  by_whom       text not null,
  action        text not null,
  subject       text not null,
  digest        text not null,
  note          text not null,
  previous      integer,
  previous_hash text,
  hash          text not null,
  unique (seq, hash),
  check ((seq = 1 and previous is null and previous_hash is null)
      or (seq > 1 and previous is not null and previous = seq - 1 and previous_hash is not null)),
  foreign key (previous, previous_hash) references audit (seq, hash)
) strict;
create index audit_by_subject on audit (subject, seq);

-- The last number and hash of the audit log and of the outbox.
create table heads (
  name text not null primary key,
  seq  integer not null,
  hash text not null
) strict;
