"""A page in one file: style and scripts are inlined, and its content security policy allows only these."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

POLICY: Final = (
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)


def one_file_page(
    page: str,
    folder: Path,
    parts: Sequence[tuple[str, str]],
    more_policy: Sequence[str] = (),
    connect: str = "'self'",
    images: str = "data:",
) -> tuple[bytes, str]:
    """The page, and its policy. `parts`: directive of the policy, and name of a file of the folder.

    `connect`: where the page may connect; `images`: where they come from. The comment `/* name */` in the
    page is replaced by the file of that name.
    """
    allowed: dict[str, str] = {}
    for directive, name in parts:
        text = (folder / name).read_text("utf-8")
        page = page.replace(f"/* {name} */", text)
        digest = b64encode(sha256(text.encode()).digest()).decode()
        allowed[directive] = f"{allowed.get(directive, directive)} 'sha256-{digest}'"
    sources = ("default-src 'none'", f"connect-src {connect}", f"img-src {images}")
    return page.encode(), "; ".join((*sources, *POLICY, *more_policy, *allowed.values()))
