update rule_test.clients set history = decode(md5(id::text) || md5(id::text || 'more'), 'hex');
