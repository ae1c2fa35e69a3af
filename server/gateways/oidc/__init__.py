"""A provider of OpenID Connect, for logins at the back office."""
