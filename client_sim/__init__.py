"""Simulated chat clients: the SDK, users with habits, the crowd they make, and a witness of what they were told."""
