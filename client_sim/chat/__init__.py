"""A chat for people: `session` is what a chat is, `app` draws it on a terminal, `plain` writes it to a pipe."""
