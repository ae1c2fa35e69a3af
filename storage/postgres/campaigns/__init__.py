"""Statements on campaigns, leases of their pools, and wins."""
