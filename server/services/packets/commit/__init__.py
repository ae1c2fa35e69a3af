"""The commit path: from decided opens to claims that both stores have."""
