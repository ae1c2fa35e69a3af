"""Money in the terminal client: what is paid and how, cards, and the commands on both."""
