"""`hongbao bill`: packets in a sponsor's name."""
