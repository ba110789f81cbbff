-- given
create table rule_test.locations (id int primary key, zip_code text not null);
insert into rule_test.locations values (1, '12345');
-- defect: there is none
select;
-- cure
alter table rule_test.locations add constraint ck_locations_zip_format check (zip_code ~ '^[0-9]{5}(-[0-9]{4})?$');
-- defect: another one refuses it
alter table rule_test.locations add constraint ck_a_length check (length(zip_code) in (5, 10)),
  add constraint ck_locations_zip_format check (zip_code ~ '^[0-9]{5}(-[0-9]{4})?$');
-- cure
alter table rule_test.locations drop constraint ck_a_length;
-- defect: it takes the empty text
alter table rule_test.locations add constraint ck_locations_zip_format check (zip_code ~ '^([0-9]{5}(-[0-9]{4})?)?$');
-- cure
alter table rule_test.locations drop constraint ck_locations_zip_format, add constraint ck_locations_zip_format check (zip_code ~ '^[0-9]{5}(-[0-9]{4})?$');
-- lookalike: no row to try on
delete from rule_test.locations;
