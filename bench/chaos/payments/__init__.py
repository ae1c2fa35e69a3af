"""Chaos of payments: a bank that answers wrongly, kills on both sides, and an auditor of both books."""
