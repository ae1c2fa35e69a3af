"""Compiled modules: which there are, how they are built from their own source, and when they are used."""
