"""Several sets of PostgreSQL under chaos: the further databases, the faults that hit them, and all books."""
