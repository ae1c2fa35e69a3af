"""The status socket: commands and lookups of operators."""
