create table rule_test.patients (
  id uuid primary key,
  tenant_id uuid not null
);
create index ix_patients_tenant_id on rule_test.patients (tenant_id);
create policy tenant_isolation on rule_test.patients
  using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
alter table rule_test.patients enable row level security, force row level security;
create table rule_test.contact_methods (
  id uuid primary key,
  patient_id uuid not null references rule_test.patients (id)
);
create index ix_contact_methods_patient_id on rule_test.contact_methods (patient_id);
