"""Sockets: listener, session, dispatch, hub."""
