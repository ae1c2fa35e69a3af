"""Start a chat: with screens on a terminal, with lines in a pipe."""

from __future__ import annotations

import sys

from client_sim.chat import plain
from client_sim.chat.app import ChatApp
from client_sim.chat.session import Start
from client_sim.languages import language_of_environment
from client_sim.sdk.client import Client


async def chat(
    url: str,
    token: str,
    name: str = "",
    group_id: int = 0,
    language: str | None = None,
    is_plain: bool | None = None,
    topup_options: str = "",
    invite: str = "",
) -> int:
    """Chat until the user leaves; the exit code. A `name` of digits is a user id and sets no name.

    `group_id` is a group of the user, to start with; `invite` the code of a group to join and to start with.
    `language` is zh or en (default: as the environment says). `is_plain` is true by default without a terminal.
    `topup_options` are the options with which `hongbao topup` reaches the same server, for the hint to a user
    without money. Raises ConnectionLost if there is no server, ConnectionRefusedForGood.
    """
    if is_plain is None:
        is_plain = not (sys.stdin.isatty() and sys.stdout.isatty())
    start = Start(
        "" if name.isascii() and name.isdigit() else name.strip(),
        group_id,
        language or language_of_environment(),
        invite,
    )
    client = Client(url, token)
    try:
        return await (plain.chat(client, start) if is_plain else _on_screen(client, start, topup_options))
    finally:
        await client.close()


async def _on_screen(client: Client, start: Start, topup_options: str) -> int:
    app = ChatApp(client, start, topup_options)
    code = await app.run_async()
    if app.failure is not None:
        raise app.failure
    return app.return_code or code or 0  # only the first one tells of a crash
