"""Statements on groups, messages, names, grab statistics."""
