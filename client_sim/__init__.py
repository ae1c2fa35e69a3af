"""Clients of the server: the SDK (`sdk`), simulated users (`sim`) and a chat at a terminal (`chat`)."""
