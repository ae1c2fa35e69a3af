"""Writes the table of messages of the TypeScript SDK from the classes of the protocol.

    python -m tests.web.wire_table

A test fails when the file is not what this writes. Which integers are ids, and so BigInt, is decided by their
names, and checked against the types in docs/protocol.md.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from protocol import codes, messages
from protocol.messages import campaigns, cards, enterprise, money, people
from protocol.messages.codec import FROM_CLIENT, FROM_SERVER, PUSHES, REQUESTS, kind_of
from protocol.messages.people import VERSION_MAX

TARGET: Final = Path(__file__).parents[2] / "client_sim" / "web" / "sdk" / "src" / "messages.ts"
USERS: Final = frozenset(
    {
        *("user_id", "sender_id", "owner_id", "best_user_id", "turn_user_id", "after_user_id", "sponsor_id"),
        *("user_ids", "for_user_ids", "joined", "left", "from_user_id", "receiver_id"),
    }
)
NOT_USERS: Final = frozenset({("RecordLine", "user_id"), ("StatementLine", "other_id")})  # a user or a group
TEXT_IDS: Final = frozenset({"key_id", "external_id"})
OF_BACKEND: Final = frozenset(
    {
        *(one for one in vars(people).values() if isinstance(one, type)),
        *(one for one in vars(enterprise).values() if isinstance(one, type)),
        *(money.TopUp, money.Withdraw, cards.Pay, cards.RefundToCard, cards.ForgetUser),
        *(campaigns.PutSponsor, campaigns.CreateCampaign, campaigns.ChangeCampaign, campaigns.CampaignReport),
    }
)
TYPES: Final = {"n": "number", "i": "bigint", "t": "string", "b": "Uint8Array", "o": "boolean", "M": "Numbered"}
POSTS: Final = ("TextPosted", "PacketPosted", "RelayPosted")
REMINDERS: Final = ("ClaimsReminder", "FinishReminder", "RefundReminder")
NOTICES: Final = ("ClaimNotice", "PacketFinished", "PacketRefunded")
HEAD: Final = """\
// Written by tests/web/wire_table.py from the classes of the protocol: do not edit.
// What each message means is in docs/protocol.md.

import type { Table } from "./codec.js";
"""
TAIL: Final = """\
export type Post = {posts};
export type Reminder = {reminders};
export type Notice = {notices};
export type Numbered = Post | Reminder;

/** What a server may tell or answer. */
export type AnyMessage =
  {any};
/** What comes without being asked for. */
export type PushMessage = {pushes};

/** Every request of a user, with its reply. */
export interface Requests {{
{requests}
}}
export type RequestName = keyof Requests;
export type RequestFields<Name extends RequestName> = Omit<Requests[Name][0], "kind" | "seq">;
export type ReplyOf<Name extends RequestName> = Requests[Name][1];
/** Requests that move money. */
export type KeyedRequestName = {keyed};

export type RefusalName =
  {refusals};
export type PacketKind = "lucky" | "equal" | "personal" | "fission" | "exclusive" | "password";
"""


def spec(owner: str, name: str, annotation: Any) -> str:
    """The type of a field as the codec reads it. Raises TypeError for one that it does not know."""
    while typing.get_origin(annotation) is typing.Annotated:
        meta = annotation.__metadata__[0]
        if getattr(meta, "le", None) == VERSION_MAX:
            return "i"
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        arguments = typing.get_args(annotation)
        if type(None) not in arguments:
            return "M"
        [inner] = [one for one in arguments if one is not type(None)]
        return f"~{spec(owner, name, inner)}"
    if typing.get_origin(annotation) is list:
        return f"[{spec(owner, name, typing.get_args(annotation)[0])}"
    if typing.get_origin(annotation) is dict:
        return f"<{spec(owner, name, typing.get_args(annotation)[1])}"
    return _plain(owner, name, annotation)


def _plain(owner: str, name: str, annotation: Any) -> str:
    if annotation is int:
        return "i" if is_id(owner, name) else "n"
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return f"{{{annotation.__name__}"
    return {str: "t", bytes: "b", bool: "o"}[annotation]


def is_id(owner: str, name: str) -> bool:
    """Whether an integer of this name needs 63 bits."""
    if name == "ticket" or (owner, name) in NOT_USERS:
        return True
    is_named = name.endswith(("_id", "_ids"))
    return is_named and name not in USERS and not (owner == "PutChat" and name == "other_id")


def fallback(field: msgspec.structs.FieldInfo) -> str:
    """How the table says that a field may be left out: "", or "=" and its default."""
    if field.default_factory is not msgspec.NODEFAULT:
        return "="
    if field.default is msgspec.NODEFAULT:
        return ""
    value = field.default
    if value is True:
        return "=true"
    return f"={value}" if isinstance(value, int | str) and value not in (0, "") else "="


def fields_of(struct: type[msgspec.Struct]) -> Iterator[tuple[str, str, str]]:
    """Name, type and default of each field, without the seq of messages."""
    hints = typing.get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        if field.name == "seq" and issubclass(struct, messages.Message):
            continue
        yield field.name, spec(struct.__name__, field.name, hints[field.name]), fallback(field)


def structs_of(found: list[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    """These, and the structs in their fields, each once, inner ones first."""
    ordered: dict[type[msgspec.Struct], None] = {}

    def visit(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            if annotation in ordered:
                return
            if not issubclass(annotation, messages.Message):
                for hint in typing.get_type_hints(annotation, include_extras=True).values():
                    visit(hint)
                ordered[annotation] = None
            return
        for argument in typing.get_args(annotation):
            visit(argument)

    for one in found:
        for hint in typing.get_type_hints(one, include_extras=True).values():
            visit(hint)
    return list(ordered)


def script_type(text: str) -> str:
    """The TypeScript type of a spec."""
    inner = text[1:]
    match text[0]:
        case "[":
            return f"{script_type(inner)}[]"
        case "<":
            return f"Record<string, {script_type(inner)}>"
        case "~":
            return f"{script_type(inner)} | null"
        case "{":
            return inner
    return TYPES[text]


def interface(struct: type[msgspec.Struct], *, is_request: bool) -> str:
    """The interface of a message or struct. What a request may leave out is optional."""
    lines = []
    if issubclass(struct, messages.Message):
        lines = [f'  kind: "{struct.__name__}";', "  seq: number;"]
    for name, text, default in fields_of(struct):
        optional = "?" if is_request and default else ""
        lines.append(f"  {name}{optional}: {script_type(text)};")
    return f"export interface {struct.__name__} {{\n" + "\n".join(lines) + "\n}"


def row(struct: type[msgspec.Struct]) -> str:
    """The row of the table."""
    kind = kind_of(struct) if issubclass(struct, messages.Message) else 0
    text = " ".join(f"{name}:{text}{default}" for name, text, default in fields_of(struct))
    return f'  {struct.__name__}: [{kind}, "{text}"],'


def _either(names: Iterator[str] | typing.Iterable[str]) -> str:
    lines, line = [], ""
    for name in names:
        if line and len(line) + len(name) > 100:
            lines.append(line)
            line = ""
        line += f"| {name} " if line or lines else f"{name} "
    return "\n  ".join(one.strip() for one in (*lines, line))


def written() -> str:
    """The whole file."""
    every = dict.fromkeys((*FROM_CLIENT, *FROM_SERVER))
    backend = {one for one in every if one in OF_BACKEND}
    backend |= {REQUESTS[one] for one in backend if one in REQUESTS}
    users = [one for one in every if one not in backend]
    asked = [one for one in REQUESTS if one not in backend]
    user_structs = structs_of(users)
    backend_structs = [
        one for one in structs_of([one for one in every if one in backend]) if one not in user_structs
    ]
    blocks = [HEAD]
    blocks += [interface(one, is_request=False) for one in user_structs]
    blocks += [interface(one, is_request=one in REQUESTS) for one in users]
    tables = (
        ("USER_MESSAGES", "Messages of users.", [*user_structs, *users]),
        (
            "BACKEND_MESSAGES",
            "Messages of the chat backend.",
            [*backend_structs, *(m for m in every if m in backend)],
        ),
    )
    for name, about, rows in tables:
        body = "\n".join(map(row, rows))
        blocks.append(f"/** {about} See codec. */\nexport const {name}: Table = {{\n{body}\n}};")
    keyed = [one.__name__ for one in asked if "key" in one.__struct_fields__]
    pairs = "\n".join(f"  {one.__name__}: [{one.__name__}, {REQUESTS[one].__name__}];" for one in asked)
    tail = TAIL.format(
        posts=" | ".join(POSTS),
        reminders=" | ".join(REMINDERS),
        notices=" | ".join(NOTICES),
        any=_either(one.__name__ for one in FROM_SERVER if one not in backend),
        pushes=_either(one.__name__ for one in PUSHES),
        requests=pairs,
        keyed=" | ".join(f'"{one}"' for one in keyed),
        refusals=_either(f'"{one.name.lower()}"' for one in codes.Refusal),
    )
    return "\n\n".join(blocks) + "\n\n" + tail


def main() -> int:
    """The command line."""
    TARGET.write_text(written(), "utf-8")
    print(TARGET)
    return 0


if __name__ == "__main__":
    sys.exit(main())
