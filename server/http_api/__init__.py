"""The HTTP API of chat backends: JSON over HTTP, for requests that the wire takes from user 0 and for its users."""
