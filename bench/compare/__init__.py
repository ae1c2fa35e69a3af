"""Comparison with rivals, targets, and the benchmark document."""
