"""Pushes: how each event is told, and announcements to very many users."""
