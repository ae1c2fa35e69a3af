"""Statements on statements of banks, on breaks and on corrections."""
