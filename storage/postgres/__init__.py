"""The truth: one module per noun, its statements in a .sql file of the same name."""
