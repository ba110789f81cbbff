-- defect: since and until
create table rule_test.care_team (id uuid primary key, since date not null, until date);
-- defect: opening hours
create table rule_test.hours (id uuid primary key, opens_at time, closes_at time);
-- defect: a condition on one of them only
create table rule_test.rates (id uuid primary key, valid_from date, valid_to date check (valid_to > '2000-01-01'));
-- lookalike: an exclusion constraint over their range
create extension btree_gist schema rule_test;
create table rule_test.visits (id uuid primary key, starts_at timestamptz, ends_at timestamptz,
  exclude using gist (tstzrange(starts_at, ends_at) with &&));
-- lookalike: an end alone
create table rule_test.tokens (id uuid primary key, created_at timestamptz, valid_until timestamptz);
-- lookalike: two types
create table rule_test.rides (id uuid primary key, start_at timestamptz, end_at date);
