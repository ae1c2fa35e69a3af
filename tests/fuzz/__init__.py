"""Frames of ill will, against a live server in a process of its own: `python -m tests.fuzz --help`."""
