"""The back office in a browser: its listener, its routes, and pages that the server renders."""
