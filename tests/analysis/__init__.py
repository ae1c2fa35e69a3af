"""Tests of views, reports and year pages, on real PostgreSQL."""
