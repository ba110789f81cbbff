create or replace function rule_test.decrypt_note(sealed bytea, key text) returns text language plpgsql as $$
begin
  return public.pgp_sym_decrypt(sealed, key);
end
$$;
