-- defect: with a precision and a default
create table rule_test.events (id uuid primary key, at timestamp(3) default now());
-- defect: an array of them
create table rule_test.plans (id uuid primary key, slots timestamp[]);
-- lookalike: a date, a time of day, a moment
create table rule_test.visits (id uuid primary key, day date, opens time, at timestamptz, exact timestamptz(0));
