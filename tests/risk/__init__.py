"""Risk control: the rules, the path from wallets to verdicts, what is held back, simulated programs and people."""
