"""Packets in the name of a sponsor: by bill number, or because of an event."""
