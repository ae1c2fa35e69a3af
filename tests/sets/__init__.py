"""Several sets of PostgreSQL: two databases as one record."""
