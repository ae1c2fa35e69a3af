"""Statements on risk control: facts about users, decisions, verdicts."""
