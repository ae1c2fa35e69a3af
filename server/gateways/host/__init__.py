"""The gateway to the host wallet: signed calls to the chat backend's own wallet (docs/payments.md)."""
