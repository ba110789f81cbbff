create table rule_test.clients (
  id int primary key,
  phone text
);
create index ix_clients_phone on rule_test.clients (phone);
insert into rule_test.clients select n, 'phone ' || n from generate_series(1, 1000) as n;
set local enable_seqscan = off;
do $$
begin
  for n in 1 .. 200 loop
    perform from rule_test.clients where id = n;
  end loop;
end
$$;
select pg_stat_force_next_flush();
