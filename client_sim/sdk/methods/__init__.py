"""The methods of `Client`, by subject."""
