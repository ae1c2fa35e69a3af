"""Login, groups, names, messages, grab statistics."""
