"""What the page of a year says, in English and Chinese, one row each."""

from __future__ import annotations

from typing import Final

YEAR_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("{name}: a year of red packets", "{name}的红包年"),
    "of_year": ("red packets of {year}", "{year} 红包年"),
    "user": ("User {id}", "用户 {id}"),
    "sent": ("sent", "发出"),
    "sent_more": ("in {count} packets", "共 {count} 个红包"),
    "received": ("received", "收到"),
    "received_more": ("in {count} shares, from {friends} people", "共 {count} 份,来自 {friends} 位朋友"),
    "more_than": ("More generous than {part} of all who sent", "比 {part} 发红包的人更大方"),
    "best": ("Best single share", "最大的一份"),
    "best_from": ("from {name}, {at}", "来自{name},{at}"),
    "best_at": ("{at}", "{at}"),
    "lucks": ("Best luck", "手气最佳"),
    "lucks_times": ("{count} ×", "{count} 次"),
    "fastest": ("Fastest open", "最快一拆"),
    "fastest_more": ("after the send; first of all {count} ×", "红包发出之后;抢到头一个 {count} 次"),
    "emptied": ("Your fastest packet", "被抢得最快"),
    "emptied_more": ("until the last share was gone", "你的红包被抢光"),
    "largest": ("Largest packet sent", "发过最大的红包"),
    "largest_more": ("{shares} shares, {at}", "{shares} 份,{at}"),
    "greeting": ("Your words", "你的祝福"),
    "generous_to": ("Generous to", "对谁最大方"),
    "received_from": ("Generous to you", "谁对你最大方"),
    "friend": ("{amount}, {count} ×", "{amount},{count} 次"),
    "months": ("Month by month", "月月红包"),
    "hour": ("Most of it around {hour}:00", "最常在 {hour} 点前后"),
    "nothing": ("No red packets in this year. The next one is yours to send.", "这一年还没有红包,下一个由你来发。"),
    "closing": ("May the next year be generous.", "新的一年,大吉大利。"),
}


def say_year(language: str, key: str, **values: object) -> str:
    """A text; `values` fill its placeholders."""
    return YEAR_WORDS[key][language == "zh"].format(**values)
