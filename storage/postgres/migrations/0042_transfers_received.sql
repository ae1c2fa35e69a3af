-- Risk control reads which transfers a user got in a day (docs/risk.md, "Facts"): money that goes round need not go by packets.
CREATE INDEX wallet_orders_received ON wallet_orders (other_id, at_ms) WHERE kind = 13;
