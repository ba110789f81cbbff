create function rule_test.today() returns date language plpgsql security definer as $$
begin
  return current_date;
end
$$;
