"""Every query file, once, through pytest-benchmark's fixture."""


def test_lookup(benchmark, lookup, query):
    lookup(benchmark, query)
