"""A server with several workers under chaos: its processes, the faults that hit them, and its operator."""
