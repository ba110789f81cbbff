create table rule_test.locations (
  id int primary key,
  zip_code text not null,
  constraint ck_locations_zip_format check (zip_code ~ '^[0-9]{5}([0-9]{4})?$')
);
insert into rule_test.locations values (1, '12345');
