"""Tests of reconciliation: both books, and what differs between them."""
