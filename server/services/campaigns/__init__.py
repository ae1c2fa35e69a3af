"""Campaigns: made and ended by the chat backend, leased in parts to servers, won by users who shake."""
