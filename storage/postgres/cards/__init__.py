"""Statements on cards, codes, pay passwords, and the payments that they pay."""
