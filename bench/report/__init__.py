"""Figures for people: terminal, HTML page, charts."""
