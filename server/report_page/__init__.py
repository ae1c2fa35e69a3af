"""Pages in one file: the report, and the year of a user. They need no network and run no script."""
