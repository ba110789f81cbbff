"""`pytest bench/` times every query of the suite against the lab that `pgvitals up` left.

The hooks and fixtures live in the library; what is timed lives here: one SQL file a query, and in
``test_orm.py`` the requests that an application makes through its models.
"""

from pgvitals.measure.bench_plugin import (  # noqa: F401
    lab_database,
    lookup,
    pytest_addoption,
    pytest_benchmark_update_machine_info,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_generate_tests,
    pytest_sessionfinish,
    pytest_terminal_summary,
    query,
)
from pgvitals.measure.orm_bench import orm  # noqa: F401
