"""Parse typed lines. Pure: a line comes in, a verb with its values comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from client_sim.chat.everyday.moments import read_moment
from client_sim.sdk.money import MoneyUnit

WAIT_S_MOST = 3600.0
INVITE_LETTERS = 16


class BadCommand(Exception):
    """A line that cannot be carried out. `key` is the name of the reason in the table of texts."""

    def __init__(self, key: str, verb: str, text: str = "") -> None:
        super().__init__(f"{key} {verb} {text}".strip())
        self.key = key
        self.verb = verb
        self.text = text


class Command(NamedTuple):
    """A verb and its values by name."""

    verb: str
    values: dict[str, Any]

    def __repr__(self) -> str:
        """Without the values: some are numbers of cards, codes and passwords."""
        return f"Command({self.verb}, …)"


class Argument(NamedTuple):
    """`read` turns a word into the value and raises ValueError; None: an amount, which the server's unit reads.

    `default` is None where the word is required.
    """

    name: str
    read: Callable[[str], Any] | None
    default: Any = None
    is_rest: bool = False  # takes the rest of the line
    is_secret: bool = False  # is never shown, nor is any word of its line


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise ValueError(text)
    return int(text)


def invite_code(text: str) -> str:
    """An invite code as a person types it: small letters and hyphens are accepted. Raises ValueError."""
    code = text.replace("-", "").upper()
    if not (code.isascii() and code.isalnum() and len(code) == INVITE_LETTERS):
        raise ValueError(f"an invite code has {INVITE_LETTERS} letters and digits, not {text!r}")
    return code


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= WAIT_S_MOST:
        raise ValueError(text)
    return seconds


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return read


def _words(name: str, default: str | None = None) -> Argument:
    return Argument(name, str, default, is_rest=True)


def _secret(name: str, default: str | None = "", *, is_rest: bool = False) -> Argument:
    return Argument(name, str, default, is_rest, is_secret=True)


AMOUNT, SHARES, GREETING = Argument("amount_fen", None), Argument("shares", _number), _words("greeting", "")
PACKET = Argument("packet_id", _number, 0)
DIRECTION = Argument("direction", _one_of("sent", "received"), "received")

VERBS: dict[str, tuple[Argument, ...]] = {
    "send": (AMOUNT, SHARES, GREETING),
    "equal": (AMOUNT, SHARES, GREETING),
    "for": (Argument("users", str), AMOUNT, GREETING),
    "secret": (AMOUNT, SHARES, _words("words")),
    "unlock": (_words("words"),),
    "at": (Argument("time", read_moment), _words("command")),
    "scheduled": (),
    "cancel": (PACKET,),
    "relay": (Argument("times", _one_of("off", "1", "2", "3"), ""),),
    "next": (),
    "to": (Argument("user", str), AMOUNT, GREETING),
    "fission": (Argument("user", str), AMOUNT, SHARES, GREETING),
    "tap": (PACKET,),
    "open": (PACKET,),
    "result": (PACKET,),
    "pass-on": (PACKET, _words("group", "")),
    "open-link": (Argument("link", str, ""),),
    "again": (_words("group", ""),),
    "records": (DIRECTION, Argument("year", _number, 0)),
    "statement": (),
    "wallet": (),
    "cards": (),
    "bind": (_secret("number"), _secret("phone"), _secret("holder", is_rest=True)),
    "code": (_secret("code"), _secret("password"), _secret("again")),
    "unbind": (Argument("card", str), _secret("password")),
    "pay": (Argument("way", str, ""), _secret("password")),
    "password": (_secret("old", None), _secret("new", None), _secret("again")),
    "reset": (_secret("code"), _secret("new"), _secret("again")),
    "topup": (AMOUNT,),
    "withdraw": (AMOUNT,),
    "transfer": (Argument("user", str), AMOUNT, _words("text", "")),
    "campaigns": (),
    "shake": (Argument("campaign_id", _number, 0),),
    "groups": (),
    "go": (_words("group"),),
    "new": (_words("name"),),
    "join": (Argument("invite", invite_code),),
    "invite": (Argument("renew", _one_of("new"), ""),),
    "chat": (_words("user"),),
    "leave": (),
    "members": (),
    "kick": (_words("user"),),
    "who": (),
    "balance": (),
    "name": (_words("name"),),
    "lang": (Argument("language", _one_of("zh", "en")),),
    "wait": (Argument("what", str), Argument("seconds", _seconds, 10.0)),
    "help": (),
    "quit": (),
}
FORM = Command("form", {})
FORMS = {  # what a bare verb asks for
    "send": FORM,
    **{what: Command("money_form", {"what": what}) for what in ("topup", "withdraw", "transfer")},
}


def parse(line: str, money: MoneyUnit) -> Command | None:
    """The command of a line: it starts with one slash. Any other line is a text (// posts a slash). None if empty.

    `money` reads amounts. Raises BadCommand.
    """
    line = line.strip()
    if not line:
        return None
    if not line.startswith("/") or line.startswith("//"):
        return Command("say", {"text": line.removeprefix("/")})
    verb, _, rest = line[1:].partition(" ")
    if verb not in VERBS:
        raise BadCommand("unknown_command", verb)
    if verb in FORMS and not rest.strip():
        return FORMS[verb]
    return Command(verb, _values(verb, rest.strip(), money))


def _values(verb: str, rest: str, money: MoneyUnit) -> dict[str, Any]:
    values: dict[str, Any] = {}
    is_secret = any(one.is_secret for one in VERBS[verb])
    for argument in VERBS[verb]:
        word, rest = (rest, "") if argument.is_rest else _first_word(rest)
        if not word and argument.default is None:
            raise BadCommand("missing", verb, argument.name)
        try:
            values[argument.name] = (argument.read or money.parse)(word) if word else argument.default
        except ValueError:
            raise BadCommand("not_understood", verb, "…" if is_secret else word) from None
    if rest:
        raise BadCommand("not_understood", verb, "…" if is_secret else rest)
    return values


def _first_word(text: str) -> tuple[str, str]:
    word, _, rest = text.partition(" ")
    return word, rest.strip()
