"""Hypothesis for the rules: the same examples in every run, and a failure prints how to reproduce it."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("core", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("core")
