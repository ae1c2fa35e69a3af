"""Statements on bills and reported events."""
