"""The gateway to a bank: cards, charges, payouts, notices and statements, signed both ways (docs/bank.md)."""
