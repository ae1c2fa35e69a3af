"""Pictures made of characters: columns that line up in Chinese too, red cards, the coin. Pure."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from client_sim.chat.model import CLAIMED, OPEN, Card
from client_sim.chat.texts import kind_text, text
from client_sim.sdk.money import MoneyUnit

RED, FADED, DARK, FADED_DARK = "#d94a38", "#7d4038", "#b8352a", "#68342e"
FADED_GOLD = "#b59a6a"
GOLD, CREAM, INK, DIM, WARNING = "#f3cf8a", "#fdf0d5", "#8a1f14", "#8b8b8b", "#e5846f"
NAME_COLOURS = ("#e8a87c", "#8fbcbb", "#a3be8c", "#b48ead", "#88c0d0", "#ebcb8b")
CARD_WIDTH = 34
FOR_ONE_ALONE = ("personal", "enterprise")  # kinds with one share
COIN_ROWS = 7
PHONE_SWING = 3  # columns
COIN_SIZE = 2 * COIN_ROWS  # dots; a column is half as wide as a row is high
_DOTS = {  # the character for each pair of upper and lower half, gold or not
    (True, True): (" ", f"on {GOLD}"),
    (True, False): ("▀", GOLD),
    (False, True): ("▄", GOLD),
    (False, False): (" ", ""),
}


def fit(words: str, width: int, right: bool = False) -> str:
    """Text of exactly this many columns: cut with an ellipsis, or padded."""
    if cell_len(words) > width:
        words = set_cell_size(words, width - 1).rstrip() + "…"
    pad = " " * (width - cell_len(words))
    return pad + words if right else words + pad


def amount(money: MoneyUnit, language: str, amount_fen: int, width: int, sign: str = "") -> str:
    """An amount at the right of a column; without its unit if the column is too narrow for both."""
    words = f"{sign}{money.short(language, amount_fen)}"
    return fit(words if cell_len(words) <= width else f"{sign}{money.number(amount_fen)}", width, right=True)


def clock(at_ms: int) -> str:
    """The local time of day."""
    return time.strftime("%H:%M", time.localtime(at_ms / 1000))


def day(at_ms: int) -> str:
    """The local day and time of day."""
    return time.strftime("%m-%d %H:%M", time.localtime(at_ms / 1000))


def name_colour(user_id: int) -> str:
    """The colour of a user's name: the same everywhere."""
    return NAME_COLOURS[user_id % len(NAME_COLOURS)]


def state_text(card: Card, user_id: int, language: str, money: MoneyUnit) -> str:
    """The state of a packet for this user, in words."""
    packet = card.packet
    if packet.state == CLAIMED:
        return text(language, "state_claimed", amount=money.short(language, packet.amount_fen))
    if packet.kind in ("personal", "fission") and packet.sender_id == user_id and packet.state == OPEN:
        return text(language, "state_mine")
    return text(language, f"state_{packet.state}")


def for_whom(language: str, names: Sequence[str], count: int) -> str:
    """Whom an exclusive packet is for, in words: the names that are known, and how many there are."""
    key = "card_for" if len(names) >= count else "card_for_more"
    return text(language, key, names=text(language, "names_between").join(names), count=count)


def card(
    card: Card,
    user_id: int,
    language: str,
    money: MoneyUnit,
    names: Sequence[str] = (),
    next_name: str = "",
) -> Content:
    """A red packet in the conversation; one that is not open any more has faded colours.

    `names`: of the users whom it names, if it is for them alone. `next_name`: of the user whose turn is next.
    """
    packet = card.packet
    is_open = packet.state == OPEN
    upper, lower, gold = (RED, DARK, GOLD) if is_open else (FADED, FADED_DARK, FADED_GOLD)
    kind = kind_text(language, packet.kind)
    if names:
        kind += f" · {for_whom(language, names, packet.shares)}"
    elif packet.kind not in FOR_ONE_ALONE:
        kind += f" · {text(language, 'shares', shares=packet.shares)}"
    rows = (
        (" ", f"on {upper}"),
        ("  開  ", f"bold {INK} on {gold}"),
        (fit(f"  {packet.greeting}", CARD_WIDTH - 7), f"bold {CREAM} on {upper}"),
        ("\n ", f"on {upper}"),
        ("▀" * 6, f"{gold} on {upper}"),  # the seal is one and a half rows high
        (fit(f"  {state_text(card, user_id, language, money)}", CARD_WIDTH - 7), f"{GOLD} on {upper}"),
        ("\n" + fit(f" {kind}", CARD_WIDTH), f"{GOLD} on {lower}"),
    )
    if packet.turn is None:
        return Content.assemble(*rows)
    amount = money.short(language, packet.turn.amount_fen)
    following = fit(f" {text(language, 'turn_card', name=next_name, amount=amount)}", CARD_WIDTH)
    return Content.assemble(*rows, (f"\n{following}", f"bold {GOLD} on {lower}"))


def coin(turn: float, face: str = "開") -> Content:
    """A gold coin; `turn` counts turns: at 0 it shows its face, at 0.25 its edge."""
    width = max(abs(math.cos(2 * math.pi * turn)), 1 / COIN_SIZE)
    return Content("\n").join(_coin_row(row, width, face) for row in range(COIN_ROWS))


def phone(swing: float) -> Content:
    """A phone with 福 on it; `swing` from -1 to 1: how far it is to the left or to the right."""
    offset = round(PHONE_SWING * swing)
    left, right = (("((" if offset < 0 else "  "), ("))" if offset > 0 else "  "))
    pad = " " * (PHONE_SWING + offset), " " * (PHONE_SWING - offset)
    rows = ("╭──────╮", "│      │", "│  福  │", "│      │", "╰──────╯")
    return Content("\n").join(
        Content.assemble(
            (f"{pad[0]}{left if middle else '  '} ", CREAM),
            (row, f"bold {GOLD}"),
            (f" {right if middle else '  '}{pad[1]}", CREAM),
        )
        for row, middle in zip(rows, (False, True, True, True, False), strict=True)
    )


def _coin_row(row: int, width: float, face: str) -> Content:
    """Two rows of square dots, each dot half a character."""
    dots = [(_is_gold(column, 2 * row, width), _is_gold(column, 2 * row + 1, width)) for column in range(COIN_SIZE)]
    cells = [_DOTS[upper, lower] for upper, lower in dots]
    left = COIN_SIZE // 2 - 1
    if row == COIN_ROWS // 2 and all(map(all, dots[left : left + 2])):
        cells[left : left + 2] = [(face, f"bold {INK} on {GOLD}")]
    return Content.assemble(*cells)


def _is_gold(column: int, row: int, width: float) -> bool:
    radius = COIN_SIZE / 2
    return ((column + 0.5 - radius) / width) ** 2 + (row + 0.5 - radius) ** 2 <= radius**2
