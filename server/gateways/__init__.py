"""Gateways to other books: a folder for each, behind one port (`port.py`)."""
