"""The dashboard: a page, and the stream of events that updates it."""
