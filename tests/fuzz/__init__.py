"""Hostile frames against a server process: `python -m tests.fuzz --help`."""
