"""The app for browsers: its built files, and how a person gets in by an invite."""
