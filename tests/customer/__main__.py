"""`make seeds`: the customer's documents as a test."""

from __future__ import annotations

import sys

from tests.customer.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
