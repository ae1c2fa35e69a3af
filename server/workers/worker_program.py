"""The program of a worker: it asks for compiled modules before it imports what they replace.

python -m server.workers.worker_program NUMBER of WORKERS in DATA      (the words are for people who list processes)
"""

from __future__ import annotations

import sys

from server.compiled.finder import use_compiled


def run() -> int:
    """Serve as the orders on the standard input say; returns the exit code."""
    use_compiled()
    sys.modules["rich"] = None  # type: ignore[assignment]  # structlog would import it, 4 MB, for tracebacks in colour
    from server.workers.worker_process import main

    return main()


if __name__ == "__main__":
    sys.exit(run())
