"""Load harness."""
