"""The load: generators, connections, the server under load, the money verdict."""
