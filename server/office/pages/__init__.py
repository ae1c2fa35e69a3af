"""The pages of the back office, one module for each subject."""
