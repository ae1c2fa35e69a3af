"""Campaigns on real stores: shakes, wins, leases, ends, the audit."""
