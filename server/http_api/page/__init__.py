"""The page of a packet for WebViews: its signed link, and the shell that draws it."""
