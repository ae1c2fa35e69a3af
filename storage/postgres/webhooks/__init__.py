"""Statements on webhooks: endpoints, deliveries, and the records that bodies are rendered from."""
