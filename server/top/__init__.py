"""`hongbao top`: a live screen of a running server."""
