"""The loop of the tests: what a test leaves open fails that test."""

from __future__ import annotations

import warnings

import uvloop


class StrictLoop(uvloop.Loop):
    """uvloop warns of each open socket and then closes it. A warning that is an error would leave it open instead,
    and then `close` would wait for its end for good; so the warnings are collected here and raised afterwards.
    """

    def close(self) -> None:
        """Close the loop. Raises ResourceWarning with what was left open."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            super().close()
        left = [str(one.message) for one in caught if one.category is ResourceWarning]
        if left:
            raise ResourceWarning(f"left open at the end of the loop: {left}")
