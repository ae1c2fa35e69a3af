"""Payments: charges that pay packets, payouts of what wallets hold, and the questions about what is unknown."""
