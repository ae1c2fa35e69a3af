"""Cards of users, the codes that prove a phone, and pay passwords."""
