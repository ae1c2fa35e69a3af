"""docs/protocol.md agrees with the code: every message with its fields, every code and limit, the examples."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from protocol.codes import REFUSALS, Close, Refusal, should_reconnect
from protocol.messages import FROM_CLIENT, FROM_SERVER, Message, kind_of
from server.core.limits import Limits
from tests.cases import each

ROOT = Path(__file__).parents[2]
EVERY_CLASS = sorted({*FROM_CLIENT, *FROM_SERVER}, key=kind_of)
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text()


def documented_fields(of: type[Message]) -> list[str]:
    """The first column of the first table under a message's heading, e.g. `#### Grab · 21`."""
    heading = f"\n#### {of.__name__} · {kind_of(of)}\n"
    assert heading in DOCUMENT, f"docs/protocol.md has no heading{heading}"
    section = DOCUMENT.split(heading)[1].split("\n#")[0]
    table = section.partition("| field | type | meaning |\n")[2].split("\n\n")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


@each("of", EVERY_CLASS)
def test_the_document_lists_every_message_with_its_fields_in_their_order(of: type[Message]) -> None:
    assert documented_fields(of) == [field for field in of.__struct_fields__ if field != "seq"]


@each("code", [*Refusal, *Close])
def test_the_document_lists_every_code(code: Refusal | Close) -> None:
    yes = REFUSALS[code].temporary if isinstance(code, Refusal) else should_reconnect(code)
    assert f"| {code:d} | `{code.name.lower()}` | {'yes' if yes else 'no'} |" in DOCUMENT


@each(("name", "default"), Limits().announced().items())
def test_the_document_lists_every_announced_limit_with_its_default(name: str, default: int) -> None:
    assert f"| `{name}` | {default:,} |" in DOCUMENT


@pytest.mark.parametrize("version", ["login", "login_2"])
def test_example_logins_of_the_document_are_the_vectors(version: str) -> None:
    login = json.loads((ROOT / "tests" / "vectors" / "wire.json").read_text())[version]
    for part in ("key", "claim", "mac", "token", "nonce", "proof"):
        assert login[part] in DOCUMENT, part


def test_example_packet_of_the_document_is_a_vector() -> None:
    packet = json.loads((ROOT / "tests" / "vectors" / "fairness.json").read_text())[0]
    for part in ("seed", "packet_id", "commitment", "amounts_fen"):
        assert str(packet[part]) in DOCUMENT, part


def test_example_of_a_committed_seed_in_the_document_is_a_vector() -> None:
    packet = json.loads((ROOT / "tests" / "vectors" / "seeds.json").read_text())[0]
    parts = ("tree_secret", "server_seed", "root", "client_seed", "seed", "packet_id", "commitment", "amounts_fen")
    for value in (*(packet[part] for part in parts), *packet["path"]):
        assert str(value) in DOCUMENT, value


def test_example_of_a_pool_in_the_document_is_a_vector() -> None:
    pool = json.loads((ROOT / "tests" / "vectors" / "pools.json").read_text())[0]
    values = [pool[part] for part in ("kind", "seed", "campaign_id", "commitment")]
    for value in (*values, [amount for _, amount in pool["wins"]], *pool["deck"].splitlines()):
        assert str(value) in DOCUMENT, value
