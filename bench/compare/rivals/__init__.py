"""What a team would build instead, written fairly, each as a program of its own; and the ceiling above them all.

    redis_lua    one script call per claim on Redis, as most teams write it
    sql_lock     a transaction with a row lock per claim on PostgreSQL
    echo         our wire and nothing behind it: what a server in Python can reach at most

The docstring of each file says what the rival is, which defects it has by its nature, and what it does not do.
"""
