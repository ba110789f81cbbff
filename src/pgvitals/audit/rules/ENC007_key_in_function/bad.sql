create function rule_test.lock_up(plain text) returns bytea language plpgsql as $$
begin
  return public.pgp_sym_encrypt(plain, 'correct horse battery staple');
end
$$;
