"""The customer's documents as a test: what they say of the system, in our own words, and the tests that show it."""
