"""Money that leaves one set of PostgreSQL and arrives in another one: transfers between users, and corrections."""
