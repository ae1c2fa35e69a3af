"""Worlds with campaigns: users shake, servers lease numbers and die with them, the backend pauses and ends."""
