"""The load: generators, connections, the target under load, the money verdict."""
