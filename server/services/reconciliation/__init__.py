"""Reconciliation: statements of banks come in, breaks are owned and closed, corrections move money."""
