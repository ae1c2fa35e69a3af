"""Wallets, settlement of claims, yearly records, the audit."""
