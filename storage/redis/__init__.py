"""The mirror of live packets."""
