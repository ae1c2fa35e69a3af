"""Which server decides what."""
