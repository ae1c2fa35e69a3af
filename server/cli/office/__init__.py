"""The commands about the back office."""
