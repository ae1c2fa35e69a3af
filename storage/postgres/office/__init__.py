"""Statements of the back office: operators, sessions, the log, and what is searched for."""
