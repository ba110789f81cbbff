-- defect: torn pages
-- server: full_page_writes = off
select;
-- defect: the last changes
-- server: synchronous_commit = off
select;
-- lookalike: a replica waits too
-- server: synchronous_commit = remote_apply
select;
