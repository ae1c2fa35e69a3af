"""The usual alternatives, written fairly, each as a separate program; and the upper bound.

    redis_lua      one script call per claim on Redis, without a server in front: the limit of what is built on it
    redis_service  a server in Python in front of it, as most teams write it, and as an expert does
    sql_lock       a transaction with a row lock per claim on PostgreSQL
    echo           our protocol and nothing behind it: the upper bound of a server in Python

The docstring of each file describes the rival, the defects of its design, and the features that it lacks.
"""
