"""What decoding raises at bytes from outside that are not what was expected."""

from __future__ import annotations

from typing import Final

import msgspec

# Beside its own errors: text that is not UTF-8, and what is nested without end.
UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
