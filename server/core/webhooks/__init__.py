"""The rules of webhooks, pure: what is signed and how, when it is tried again, and where it may go."""
