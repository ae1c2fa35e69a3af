"""Packets that friends pass on."""
