"""The rules. Pure: `now` and randomness are arguments, nothing here awaits, reads a file or knows a store."""
