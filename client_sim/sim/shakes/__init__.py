"""A crowd that shakes: a sponsor's campaign, users and bots, what they were told, and whether it can be true."""
