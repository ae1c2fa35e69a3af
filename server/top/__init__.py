"""`hongbao top`: one live screen of a running server."""
