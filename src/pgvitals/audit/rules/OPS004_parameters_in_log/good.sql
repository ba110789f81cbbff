-- server: log_parameter_max_length = 0
select;
