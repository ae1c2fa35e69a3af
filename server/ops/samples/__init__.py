"""Samples of all counters, and the rates between two samples."""
