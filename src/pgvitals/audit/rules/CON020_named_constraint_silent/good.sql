alter table rule_test.locations
  drop constraint ck_locations_zip_format,
  add constraint ck_locations_zip_format check (zip_code ~ '^[0-9]{5}(-[0-9]{4})?$');
