"""Planted faults: mutations of our own code, each of which the tests must catch (`make mutants`)."""
