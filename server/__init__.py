"""The server: rules (core), use cases (services), sockets (net), operators (ops); app wires them."""
