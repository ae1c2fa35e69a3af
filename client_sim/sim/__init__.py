"""Simulated users, the crowd they form, and the witness that checks what the server told them."""
