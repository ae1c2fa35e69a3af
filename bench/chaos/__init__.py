"""Chaos: kill, freeze and cut off a server and its stores under load; then prove from the users' logs."""
