"""Server seeds of users: trees of them, the seals of the trees, and what operators do with both."""
