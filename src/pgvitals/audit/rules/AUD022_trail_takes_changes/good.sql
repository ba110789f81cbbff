create or replace function rule_test.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'append-only';
end
$$;
