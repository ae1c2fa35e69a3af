"""The server: rules (core), use cases (services), sockets (net), operators (ops), and the one place that wires them (app)."""
