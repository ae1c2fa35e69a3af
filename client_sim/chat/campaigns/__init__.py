"""Shake (摇一摇) at the terminal: what is known of a campaign, the requests, the commands, the texts."""
