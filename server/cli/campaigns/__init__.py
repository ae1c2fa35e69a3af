"""`hongbao campaign`: the commands, and the terms of a campaign on a command line."""
