"""Operators: what the server tells of itself, and what may be asked of it."""
