"""Packets for everyday chats at the terminal: the relay of groups, packets that are posted later."""
