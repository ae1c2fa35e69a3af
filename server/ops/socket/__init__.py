"""The status socket: its protocol, its commands, and the lookups behind them."""
