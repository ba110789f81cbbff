create policy tenant_isolation on rule_test.contact_methods
  using (exists (select from rule_test.patients as p where p.id = contact_methods.patient_id));
alter table rule_test.contact_methods enable row level security, force row level security;
