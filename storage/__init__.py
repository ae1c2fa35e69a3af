"""Facts: what PostgreSQL records and what Redis mirrors. Storage knows no rules."""
