"""Statements for reports and year pages: narrow copies of one moment, and what one user did in a year."""
