"""Packets that friends pass on: links and admissions."""
