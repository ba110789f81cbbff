-- defect: immutable
create function rule_test.encrypt_note(plain text, key text) returns bytea language plpgsql immutable as $$
begin return public.pgp_sym_encrypt(plain, key); end $$;
-- defect: stable
create function rule_test.nonce() returns bytea language plpgsql stable as $$ begin return public.gen_random_bytes(12); end $$;
-- lookalike: opening a value is no chance
create function rule_test.decrypt_note(sealed bytea, key text) returns text language plpgsql immutable as $$
begin return public.pgp_sym_decrypt(sealed, key); end $$;
-- lookalike: the error is raised again
create function rule_test.decrypt_note(sealed bytea, key text) returns text language plpgsql as $$
begin return public.pgp_sym_decrypt(sealed, key); exception when others then raise exception 'cannot be opened'; end $$;
