"""The load harness: measures a server from outside, and checks the books after every run."""
