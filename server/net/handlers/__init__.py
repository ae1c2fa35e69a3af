"""What serves a request: one method each, from the request to a use case and from its result to the reply.

Each method raises RequestRefused or StoreUnavailable. The table of all requests is server.net.dispatch.
"""
