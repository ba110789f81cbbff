"""Run directories: typed records, written whole or not at all, readable with pandas alone."""
