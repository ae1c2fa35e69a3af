"""Cards, codes and pay passwords: what a text must be to be one, and what an attempt at a secret does."""
