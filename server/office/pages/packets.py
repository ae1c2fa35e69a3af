"""The page of a packet: its life on one line of time, as a picture and as a list."""

from __future__ import annotations

from typing import Final

from server.core.ids import is_user
from server.core.office.csv_text import as_csv
from server.core.office.entries import Subject
from server.core.office.life import LifeStep, Moment, PacketLife, line_of, waiting
from server.core.office.roles import Door
from server.office.answers import NotThere, OfficeAnswer, Seen, Taken
from server.office.context import Ask, moment
from server.office.markup import NOTHING, Html, el, facts, html, link
from server.office.pages.done import actions
from server.office.pages.frame import card, framed, head_card
from server.services.office.assembly import OfficeServices

WIDTH: Final = 1000  # of the picture, in its own units
NARROW: Final = 3  # a mark of one step
WITH_USER: Final = (LifeStep.SENT, LifeStep.CLAIMED, LifeStep.REFUNDED)
WITH_STREAM: Final = (LifeStep.POSTED, LifeStep.TOLD, LifeStep.SENT_AGAIN)
MARKS: Final = {LifeStep.SENT: "mark", LifeStep.FINISHED: "mark", LifeStep.EXPIRES: "end", LifeStep.REFUNDED: "end"}


class PacketPages:
    """One packet."""

    def __init__(self, office: OfficeServices) -> None:
        self._office = office

    async def packet(self, ask: Ask) -> OfficeAnswer:
        """The life of a packet."""
        subject = Subject("packet", str(ask.number))
        life = await self._office.packets.life(ask.number)
        if life is None:
            return NotThere(subject)
        line = line_of(life, ask.now_ms)
        names = await self._names(ask, life)
        title = f"{ask.say('packet')} {life.packet_id}"
        steps = el("ol", [_step(ask, life, one, names) for one in line], class_="life")
        more = [link(f"/packet/{life.packet_id}/life.csv", ask.say("csv"))] if ask.may(Door.EXPORT) else []
        body = (
            _head(ask, life, names, title),
            card(ask.say("life"), _strip(line), steps, el("p", more, class_="more") if more else None),
            await actions(self._office.journal, ask, subject),
        )
        return Seen(title, framed(ask, title, body), subject)

    async def life_csv(self, ask: Ask) -> OfficeAnswer:
        """The line of time as CSV."""
        subject = Subject("packet", str(ask.number))
        life = await self._office.packets.life(ask.number)
        if life is None:
            return NotThere(subject)
        head = ("time", "step", "user", "amount_fen", "place", "stream", "left_shares", "left_fen", "to_come")
        rows = [
            (
                moment(one.at_ms),
                str(one.step),
                one.user_id or "",
                one.amount_fen or "",
                one.place,
                one.stream_id or "",
                one.left_shares,
                one.left_fen,
                "yes" if one.is_ahead else "",
            )
            for one in line_of(life, ask.now_ms)
        ]
        return Taken(f"packet-{ask.number}.csv", as_csv(head, rows), subject, {"rows": len(rows)})

    async def _names(self, ask: Ask, life: PacketLife) -> dict[int, str]:
        """The names of all users of a packet, for roles that may see them."""
        if not ask.may(Door.NAMES):
            return {}
        users = {life.sender_id, life.target_id, *(one.user_id for one in life.claims)}
        return await self._office.all.names.by_id(filter(is_user, users))


def _head(ask: Ask, life: PacketLife, names: dict[int, str], title: str) -> Html:
    say = ask.say
    queued, queued_fen = waiting(life)
    left = life.total_fen - life.claimed_fen - life.refunded_fen
    target = (
        ask.user(life.target_id, names.get(life.target_id, ""))
        if is_user(life.target_id)
        else ask.subject(Subject("group", str(life.target_id)))
    )
    rows = [
        (say("from_user"), ask.user(life.sender_id, names.get(life.sender_id, ""))),
        (say("target"), target),
        (say("amount"), ask.fen(life.total_fen)),
        (say("opened"), f"{len(life.claims)}/{life.shares}"),
        (say("claimed"), ask.fen(life.claimed_fen)),
        (say("paid_back"), ask.fen(life.refunded_fen)),
        (say("left"), ask.fen(left)),
        (say("greeting"), el("bdi", life.greeting, class_="text")),
        (say("key_of"), el("span", life.key, class_="id")),
    ]
    if queued:
        rows.append((say("waiting_credit"), f"{queued}: {ask.fen(queued_fen)}"))
    if life.payment is not None and ask.may(Door.PAYMENT):
        number = life.payment[0]
        rows.append((say("payment"), link(f"/payment/{number}", number, class_="id")))
    pills = (
        el("span", ask.term(life.kind), class_="pill"),
        " ",
        el("span", ask.term(life.state), class_="pill gold"),
    )
    return head_card(title, "", pills, facts(rows))


def _strip(line: list[Moment]) -> Html:
    """The line of time as a picture: one mark for each step, at its place between the first and the last."""
    begin, end = line[0].at_ms, max(line[-1].at_ms, line[0].at_ms + 1)
    marks = []
    for one in line:
        x = round((one.at_ms - begin) / (end - begin) * (WIDTH - NARROW))
        is_main = one.step in MARKS
        y, height = ("4", "38") if is_main else ("12", "22")
        marks.append(
            el(
                "rect",
                el("title", f"{moment(one.at_ms)} {one.step}"),
                x=x,
                y=y,
                width=NARROW,
                height=height,
                class_=MARKS.get(one.step),
            )
        )
    base = el("line", x1=0, y1=23, x2=WIDTH, y2=23)
    box = f"0 0 {WIDTH} 46"
    return el(
        "svg", base, marks, class_="strip", viewBox=box, preserveAspectRatio="none", role="img", aria_hidden="true"
    )


def _step(ask: Ask, life: PacketLife, one: Moment, names: dict[int, str]) -> Html:
    what = f"told_{one.reminder}" if one.step is LifeStep.TOLD else f"step_{one.step}"
    parts: list[Html] = [el("b", ask.say(what, one.place))]
    if one.step in WITH_USER and one.user_id:
        parts.append(ask.user(one.user_id, names.get(one.user_id, "")))
    if one.amount_fen and one.step is not LifeStep.CHARGED:
        parts.append(html(ask.fen(one.amount_fen)))
    if one.is_best:
        parts.append(el("span", ask.say("best"), class_="pill gold"))
    if one.step in WITH_STREAM:
        parts.append(el("span", _place(ask, one), class_="soft"))
    if one.is_ahead:
        parts.append(el("span", ask.say("ahead"), class_="pill"))
    left = NOTHING
    if one.step in (LifeStep.SENT, LifeStep.CLAIMED, LifeStep.REFUNDED):
        left = el("span", ask.say("left"), f" {one.left_shares} · {ask.fen(one.left_fen)}", class_="left")
    return el(
        "li",
        el("span", _since(one.at_ms - life.created_at_ms), class_="since"),
        el("span", [(part, " ") for part in parts]),
        left,
        html(ask.time(one.at_ms, exact=True)),
        class_=f"{one.step} ahead" if one.is_ahead else str(one.step),
    )


def _place(ask: Ask, one: Moment) -> Html:
    kind = "user" if is_user(one.stream_id) else "group"
    return html(ask.subject(Subject(kind, str(one.stream_id))), f" #{one.place}" if one.place else "")


def _since(ms: int) -> str:
    """A span of time, as short as it stays exact enough: +0.350 s, +2 min 5 s, +3 h 4 min."""
    sign, ms = ("+" if ms >= 0 else "\N{MINUS SIGN}"), abs(ms)
    seconds = ms // 1000
    if seconds < 60:
        return f"{sign}{ms / 1000:.3f} s"
    if seconds < 3600:
        return f"{sign}{seconds // 60} min {seconds % 60} s"
    if seconds < 86_400:
        return f"{sign}{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{sign}{seconds // 86_400} d {seconds % 86_400 // 3600} h"
