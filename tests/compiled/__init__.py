"""Compiled modules: what they are built from, when they are used, and what they must not contain."""
