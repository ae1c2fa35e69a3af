"""Comparison against rivals and targets, and the benchmark document."""
