"""The rules of risk control, pure: facts about a user in, a decision out."""
