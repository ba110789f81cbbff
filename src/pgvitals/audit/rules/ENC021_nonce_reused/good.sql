update rule_test.clients set history = decode(md5('nonce ' || id) || md5('text ' || id), 'hex');
