-- defect: another setting is there
create function rule_test.f(int, text) returns int language sql security definer set work_mem = '1MB' as 'select 1';
-- defect: a trigger function
create function rule_test.f() returns trigger language plpgsql security definer as 'begin return new; end';
-- defect: a procedure
create procedure rule_test.p() language plpgsql security definer as 'begin end';
-- lookalike: a function with the rights of its caller
create function rule_test.f() returns int language sql as 'select 1';
-- lookalike: an empty path
create function rule_test.f() returns int language sql security definer set search_path = '' as 'select 1';
