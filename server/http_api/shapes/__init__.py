"""Requests and replies as they stand in JSON. Ids are strings, amounts are integers in fen, times ms since 1970.

The OpenAPI document is made from these shapes. Unknown fields of a request are refused.
"""
