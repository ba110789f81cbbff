drop function rule_test.lock_up;
create function rule_test.lock_up(plain text, key text) returns bytea language plpgsql as $$
begin
  return public.pgp_sym_encrypt(plain, key, 'cipher-algo=aes256');
end
$$;
