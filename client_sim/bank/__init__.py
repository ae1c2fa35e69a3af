"""A bank to try payments with: a process with its own books, its protocol (docs/bank.md), and faults on request."""
