"""Several databases as one record: which of them has what, and the stores above all of them."""
