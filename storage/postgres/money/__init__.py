"""Statements on wallets, transfers, settlement, records, the audit."""
