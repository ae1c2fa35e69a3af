"""What the commands share: kinds of words and options, the resources they work on, and how they print."""
