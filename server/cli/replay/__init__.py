"""`hongbao replay`: the race for a packet as one page, which recomputes every share for its reader."""
