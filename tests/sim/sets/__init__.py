"""Settlement over two sets of PostgreSQL: the real queues and services on simulated databases."""
