"""Which sources a build was made from: one digest of all that compiled modules may import, and where builds are.

A compiled module has constants and types of other modules built in. So a build is good for exactly one text of all
the sources below, and its folder is named by their digest: after an edit there is none, and the sources run.
"""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PREFIX: Final = __name__.removesuffix("server.compiled.sources")  # "" in a checkout; in a wheel "hongbao._."
ROOT: Final = Path(__file__).resolve().parents[2]  # the folder that has the three packages
PACKAGES: Final = ("protocol", "server", "storage")
ABOVE: Final = (
    "cli",
    "embedded",
    "http_api",
    "office",
    "ops",
    "peers",
    "top",
    "workers",
)  # in server/: imports point downward
DIGEST_CHARS: Final = 20


def source_files(root: Path = ROOT) -> Iterator[Path]:
    """The sources that count, in order. Folders of `server` that no compiled module may import do not."""
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            parts = file.relative_to(root).parts
            if package != "server" or parts[1] not in ABOVE:
                yield file


def digest_of(root: Path = ROOT) -> str:
    """The digest of their names and texts."""
    digest = hashlib.sha256(PREFIX.encode())
    for file in source_files(root):
        content = file.read_bytes()
        digest.update(b"%s\0%d\0" % (file.relative_to(root).as_posix().encode(), len(content)))
        digest.update(content)
    return digest.hexdigest()[:DIGEST_CHARS]


def builds_folder() -> Path:
    """Where the builds of this environment are, each in a folder with its digest as its name."""
    return Path(sysconfig.get_path("platlib")) / "hongbao_compiled"
