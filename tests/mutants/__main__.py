"""Plant every fault, one at a time; the tests must catch it: `python -m tests.mutants [WORD …]`."""

from __future__ import annotations

import sys

from tests.mutants.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
