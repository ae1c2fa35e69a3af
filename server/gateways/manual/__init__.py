"""The gateway of payments that people make by hand, outside, and that an operator then confirms or declines."""
