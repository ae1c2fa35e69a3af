"""Reports: copies of the records of one moment become tables that hold no group of fewer than 20 people."""
