"""Plant every fault, one at a time, and demand that the tests catch it: `python -m tests.mutants [WORD …]`."""

from __future__ import annotations

import sys

from tests.mutants.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
