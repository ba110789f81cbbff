-- defect: a hash whose key is written down
create function rule_test.index_of(plain text) returns bytea language plpgsql as $$
begin return public.hmac(lower(plain), 'pepper', 'sha256'); end $$;
-- cure
create or replace function rule_test.index_of(plain text) returns bytea language plpgsql as $$
begin return public.hmac(lower(plain), current_setting('app.pepper'), 'sha256'); end $$;
-- defect: to open it
create function rule_test.open_up(sealed bytea) returns text language plpgsql as $$
begin return public.pgp_sym_decrypt(sealed, 'correct horse'); end $$;
-- cure
drop function rule_test.open_up;
-- lookalike: options are no key
create function rule_test.lock_up(plain text, key text) returns bytea language plpgsql as $$
begin return public.pgp_sym_encrypt(plain, key, 'cipher-algo=aes256'); end $$;
-- lookalike: another function with a text
create function rule_test.shown(plain text) returns text language sql as $$ select concat(plain, ', and more') $$;
