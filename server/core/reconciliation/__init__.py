"""Reconciliation of our payments with the statements of a bank: the file, the classes of a row, the match. Pure."""
