"""Grab, open, send, send again, refund, pages: what users do with packets."""
