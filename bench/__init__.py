"""The load harness: what a server can do, measured from outside, with the books checked after every run."""
