"""Several workers behind one address: a supervisor holds their sockets, starts them, shows them as one server."""
