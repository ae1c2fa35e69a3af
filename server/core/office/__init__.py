"""Rules of the back office, pure: roles and doors, keys and sessions, entries of its log, the life of a packet."""
