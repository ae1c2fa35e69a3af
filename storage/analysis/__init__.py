"""Columns of a report in DuckDB: narrow copies come in, sums and counts go out."""
