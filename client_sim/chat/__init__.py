"""A chat for people: on a terminal with screens (`app`), or in a pipe with lines (`plain`)."""
