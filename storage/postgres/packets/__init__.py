"""Statements on packets and claims."""
