"""What the system says of this process. It cannot be asked without a free file, which is then told."""

from __future__ import annotations

import errno
from typing import Final

import psutil
import structlog

LOG = structlog.get_logger()
NO_FILES: Final = (errno.EMFILE, errno.ENFILE)  # of this process, of the whole machine


class OwnProcess:
    """Its memory. What cannot be read costs one figure of a sample, and nothing else."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._lacks_files = False

    def rss_bytes(self) -> int:
        """0 if it cannot be read now."""
        try:
            found = int(self._process.memory_info().rss)
        except (OSError, psutil.Error) as error:
            self._look(lacks_files=getattr(error, "errno", None) in NO_FILES, why=str(error))
            return 0
        self._look(lacks_files=False, why="")
        return found

    def _look(self, *, lacks_files: bool, why: str) -> None:
        if lacks_files and not self._lacks_files:
            LOG.error("no_free_file", why=why, meaning="new connections wait, or are hung up, until there is one")
        elif self._lacks_files and not lacks_files:
            LOG.info("files_are_free_again")
        self._lacks_files = lacks_files
