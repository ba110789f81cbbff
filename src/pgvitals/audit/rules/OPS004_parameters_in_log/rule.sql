-- title: Parameters of statements in the server's log
-- severity: P1
-- why: Where statements are logged (all, or those that take long) with their parameters, names and diagnoses stand in
--   files that are kept for months, shipped to other systems and read by people who may not read the database.
--   log_parameter_max_length = 0 keeps parameters out; log_parameter_max_length_on_error those of errors.
-- remediation: Keep the parameters out of the log; the statement stays, and literals that are written into it.
-- hipaa: 164.312(a)(1); 164.312(c)(1)
-- cis: 3.1.25
-- of_server: yes
-- subject: settings of logging
-- promise: parameters of statements are not logged
-- checked: select count(*) as checked from server_settings
--   where name in ('log_statement', 'log_min_duration_statement', 'log_min_duration_sample', 'log_parameter_max_length',
--     'log_parameter_max_length_on_error')
select
  'log_parameter_max_length' as object,
  format('%s, while %s', case p.setting when '-1' then 'parameters in full' else p.setting || ' bytes of each parameter' end,
    string_agg(l.name || ' = ' || l.setting, ', ' order by l.name)) as detail,
  'alter system set log_parameter_max_length = ''0'';' as remediation
from server_settings as p
join server_settings as l on (l.name = 'log_statement' and l.setting in ('mod', 'all'))
  or (l.name in ('log_min_duration_statement', 'log_min_duration_sample') and l.setting <> '-1')
where p.name = 'log_parameter_max_length' and p.setting <> '0'
group by p.setting
union all
select s.name, format('%s bytes of each parameter', case s.setting when '-1' then 'all' else s.setting end),
  'alter system set log_parameter_max_length_on_error = ''0'';'
from server_settings as s
where s.name = 'log_parameter_max_length_on_error' and s.setting <> '0'
