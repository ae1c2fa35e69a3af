"""Webhooks: endpoints, the loop that delivers, the bodies, the sender."""
