-- server: log_min_duration_statement = 250
-- server: log_parameter_max_length = -1
select;
