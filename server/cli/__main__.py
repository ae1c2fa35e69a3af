"""`python -m server.cli` is `hongbao`."""

from server.cli.main import main

main()
