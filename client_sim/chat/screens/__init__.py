"""What opens over the conversation: one file for each page."""
