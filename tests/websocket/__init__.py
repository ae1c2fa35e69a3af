"""WebSocket: the same messages for clients that are no native app."""
