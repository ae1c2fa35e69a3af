"""Packets that the chat backend sends in the name of a sponsor."""
