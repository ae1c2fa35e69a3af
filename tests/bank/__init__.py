"""Payments at a bank: the simulated bank with its own books, and the gateway to it."""
