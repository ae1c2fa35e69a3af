"""Simulated users, the crowd they form, and the witness that checks what they were told."""
