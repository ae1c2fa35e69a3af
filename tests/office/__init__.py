"""The back office: roles and doors, its log, changes through the services, its pages in Chromium."""
