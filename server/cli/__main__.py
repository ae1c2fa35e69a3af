"""The program `hongbao`, also as `python -m server.cli`. The SDK is installed without what its commands need."""

import sys

from server.cli.shared.extras import missing_extra
from server.compiled.finder import state, use_compiled
from server.version import version


def run() -> None:
    """Run a command and exit with its code. What it imports is compiled, where that was built."""
    use_compiled()
    try:
        from server.cli.main import main
    except ImportError as error:
        if sys.argv[1:] == ["--version"]:
            print(f"{version()} ({state()})")
            return
        sys.exit(f"hongbao: {missing_extra(error)}")
    main()


if __name__ == "__main__":
    run()
