"""The bank of a world: its books and faults, the wire to it, users with cards, tables, stores and checks."""
