"""Chaos: users under load while everything below them is killed, frozen and cut; then a proof from their logs."""
