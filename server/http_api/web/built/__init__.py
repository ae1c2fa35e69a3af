"""The app as `make web` has built it from client_sim/web; a test fails when it is not built from these sources."""
