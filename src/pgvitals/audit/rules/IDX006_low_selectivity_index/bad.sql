create table rule_test.appointments (
  id uuid primary key default gen_random_uuid(),
  status text not null
);
insert into rule_test.appointments (status)
select (array['scheduled', 'attended', 'cancelled'])[1 + n % 3] from generate_series(1, 12000) as n;
create index ix_appointments_status on rule_test.appointments (status);
analyze rule_test.appointments;
