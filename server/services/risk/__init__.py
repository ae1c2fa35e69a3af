"""Risk control: rounds that judge users beside the requests, and the gate that requests ask."""
