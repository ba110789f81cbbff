-- defect: every change
-- server: log_statement = mod
select;
-- defect: parameters of errors
-- server: log_parameter_max_length_on_error = -1
select;
-- defect: some of each
-- server: log_min_duration_sample = 100
-- server: log_parameter_max_length = 64
select;
-- lookalike: changes of the schema only
-- server: log_statement = ddl
select;
-- lookalike: without parameters
-- server: log_statement = all
-- server: log_parameter_max_length = 0
select;
