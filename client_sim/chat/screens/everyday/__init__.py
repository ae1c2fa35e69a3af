"""Pages of packets for everyday chats."""
