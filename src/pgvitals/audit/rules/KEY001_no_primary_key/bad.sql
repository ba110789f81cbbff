create table rule_test.vital_signs (
  patient_id uuid not null,
  pulse_bpm int not null,
  taken_at timestamptz not null
);
