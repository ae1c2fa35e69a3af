"""Worlds with packets that wait, that name their openers, have words or are passed on, and with bills."""
