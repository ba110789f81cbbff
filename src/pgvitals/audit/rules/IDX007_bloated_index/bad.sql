create extension pgstattuple schema rule_test;
create table rule_test.appointments (
  id uuid primary key default gen_random_uuid(),
  starts_at timestamptz not null
);
insert into rule_test.appointments (starts_at)
select timestamptz '2026-01-01 UTC' + n * interval '1 minute' from generate_series(1, 60000) as n;
-- pages that deletes have left nearly empty look like this
create index ix_appointments_starts_at on rule_test.appointments (starts_at) with (fillfactor = 20);
alter index rule_test.ix_appointments_starts_at reset (fillfactor);
