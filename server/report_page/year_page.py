"""The year of a user as a page in one file, to be shown to friends: tall like a phone, and quiet in print."""

from __future__ import annotations

from collections.abc import Sequence

from server.core.texts import MoneyWords
from server.report_page import charts
from server.report_page.charts import Box
from server.report_page.markup import page, tag, text
from server.report_page.scales import moment, spoken
from server.report_page.year_words import say_year
from server.services.analysis.year import Friend, YearOfUser


class YearPage:
    """A page that is being drawn."""

    def __init__(self, year: YearOfUser, language: str, money: MoneyWords) -> None:
        self._year = year
        self._language = language
        self._money = money

    def whole(self) -> str:
        """The page."""
        year = self._year
        name = year.name or self._say("user", id=year.user_id)
        title = self._say("title", name=name)
        seal = tag("div", tag("span", "福" if self._language == "zh" else "红"), "seal", aria_hidden="true")
        head = seal + tag("p", text(self._say("of_year", year=year.year)), "of") + tag("h1", text(name))
        body = self._body() if year.sent or year.received else tag("p", text(self._say("nothing")), "nothing")
        closing = tag("footer", text(self._say("closing")))
        return page(title, self._language, tag("main", tag("header", head) + body + closing), "year.css")

    def _body(self) -> str:
        year = self._year
        parts = [self._sums()]
        if year.more_than is not None:
            parts.append(tag("p", text(self._say("more_than", part=f"{year.more_than:.0%}")), "boast"))
        parts.append(tag("div", "".join(self._tiles()), "tiles"))
        for key, friends in (("generous_to", year.generous_to), ("received_from", year.received_from)):
            if friends:
                parts.append(tag("section", tag("h2", text(self._say(key))) + self._friends(friends)))
        parts.append(self._months())
        if year.greeting:
            words = tag("h2", text(self._say("greeting"))) + tag("blockquote", text(year.greeting))
            parts.append(tag("section", words))
        return "".join(parts)

    def _sums(self) -> str:
        year = self._year
        sent = self._say("sent_more", count=f"{year.sent:,}")
        received = self._say("received_more", count=f"{year.received:,}", friends=f"{year.friends:,}")
        return tag(
            "div",
            self._sum("sent", year.sent_fen, sent) + self._sum("received", year.received_fen, received),
            "sums",
        )

    def _sum(self, key: str, amount_fen: int, more: str) -> str:
        inner = tag("span", text(self._say(key))) + tag("b", text(self._amount(amount_fen)))
        return tag("div", inner + tag("small", text(more)))

    def _tiles(self) -> list[str]:
        year, tiles = self._year, []
        if year.best_share is not None:
            at = moment(year.best_share.at_ms, "%m-%d %H:%M")
            key = "best_from" if year.best_share_from else "best_at"
            more = self._say(key, name=year.best_share_from, at=at)
            tiles.append(self._tile("best", self._amount(year.best_share.amount_fen), more, "gold"))
        if year.best_lucks:
            tiles.append(self._tile("lucks", self._say("lucks_times", count=f"{year.best_lucks:,}"), ""))
        if year.fastest_ms is not None:
            more = self._say("fastest_more", count=f"{year.firsts:,}")
            tiles.append(self._tile("fastest", self._time(year.fastest_ms), more))
        if year.largest_sent is not None:
            more = self._say(
                "largest_more", shares=year.largest_sent.shares, at=moment(year.largest_sent.at_ms, "%m-%d")
            )
            tiles.append(self._tile("largest", self._amount(year.largest_sent.total_fen), more))
        if year.fastest_emptied_ms is not None:
            tiles.append(self._tile("emptied", self._time(year.fastest_emptied_ms), self._say("emptied_more")))
        return tiles

    def _tile(self, key: str, value: str, more: str, kind: str = "") -> str:
        inner = tag("span", text(self._say(key))) + tag("b", text(value)) + tag("small", text(more))
        return tag("div", inner, f"tile {kind}".strip())

    def _friends(self, friends: Sequence[Friend]) -> str:
        rows = ""
        for place, friend in enumerate(friends, 1):
            name = friend.name or self._say("user", id=friend.user_id)
            said = self._say("friend", amount=self._amount(friend.amount_fen), count=f"{friend.shares:,}")
            rows += tag("li", tag("i", str(place)) + tag("span", text(name)) + tag("small", text(said)))
        return tag("ol", rows)

    def _months(self) -> str:
        sent, received = self._year.months_sent_fen, self._year.months_received_fen
        box, most = Box(560, 150), max(*sent, *received)
        width, floor = box.width / 12, 120.0
        inner = charts.line(0, floor, box.width, floor, "base")
        for month in range(12):
            left = month * width
            for place, (fen, key) in enumerate(((sent[month], "sent"), (received[month], "received"))):
                height = fen / most * 104 if most else 0.0
                said = f"{month + 1}: {self._say(key)} {self._amount(fen)}"
                bar = charts.bar(left + 6 + place * 17, floor - height, 15, height, f"m{place}", said, 3)
                inner += bar if fen else ""
            inner += charts.words(left + width / 2, 140, str(month + 1))
        keys = "".join(
            tag("span", tag("i", "", f"k{n}") + text(self._say(key))) for n, key in enumerate(("sent", "received"))
        )
        drawn = tag("div", keys, "keys") + charts.svg(box, self._say("months"), inner)
        if self._year.busiest_hour is not None:
            drawn += tag("p", text(self._say("hour", hour=self._year.busiest_hour)))
        return tag("section", tag("h2", text(self._say("months"))) + drawn)

    def _say(self, key: str, **values: object) -> str:
        return say_year(self._language, key, **values)

    def _amount(self, amount_fen: int) -> str:
        return self._money.full(self._language, amount_fen)

    def _time(self, took_ms: int) -> str:
        return spoken(max(0, took_ms) / 1000, self._language)


def year_page(year: YearOfUser, language: str, money: MoneyWords) -> str:
    """The whole page. `language`: zh or en."""
    return YearPage(year, language, money).whole()
