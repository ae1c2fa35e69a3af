"""Rules of packets for everyday chats."""
