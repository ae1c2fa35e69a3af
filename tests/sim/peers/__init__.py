"""Worlds whose servers are peers: owners decide, requests are forwarded, pushes go to where users are."""
