"""The commands about risk control."""
