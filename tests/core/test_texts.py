"""Elapsed times as texts for users."""

from __future__ import annotations

import pytest

from server.core.texts import Language, ago

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("since_ms", "zh", "en"),
    [
        (-DAY, "刚刚", "just now"),
        (0, "刚刚", "just now"),
        (MINUTE - 1, "刚刚", "just now"),
        (MINUTE, "1分钟前", "1 minute ago"),
        (3 * MINUTE + 5 * SECOND, "3分钟前", "3 minutes ago"),
        (59 * MINUTE, "59分钟前", "59 minutes ago"),
        (HOUR, "1小时前", "1 hour ago"),
        (DAY, "24小时前", "24 hours ago"),
        (2 * DAY - HOUR, "47小时前", "47 hours ago"),
        (2 * DAY, "2天前", "2 days ago"),
        (400 * DAY, "400天前", "400 days ago"),
    ],
)
def test_elapsed_time_is_written_in_both_languages(since_ms: int, zh: str, en: str) -> None:
    assert (ago(Language.ZH, since_ms), ago(Language.EN, since_ms)) == (zh, en)
