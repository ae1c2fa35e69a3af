"""Pages on campaigns: the shake page."""
