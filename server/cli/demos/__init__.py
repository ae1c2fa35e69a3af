"""What `hongbao demo` plays: the run of a crowd with people in it, and the festival."""
