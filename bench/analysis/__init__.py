"""Large records for reports, made by one database, and what a report of them costs."""
