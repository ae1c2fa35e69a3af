"""The back office: operators and sessions, its log, searches, and changes through the services."""
