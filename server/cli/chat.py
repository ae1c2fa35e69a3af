"""`hongbao chat`, and the pictures of it in the docs."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from client_sim.chat import run as chat_run
from client_sim.chat.commands import invite_code
from client_sim.sdk.names import user_id_of
from server.cli.shared.numbers import Id
from server.cli.shared.options import DATA, ConfigOption, DataOption, LanguageOption, UrlOption
from server.cli.shared.resources import mint, url_of
from server.cli.shared.users import UserName
from server.cli.shared.words import Text
from server.config import load
from server.loop import run
from server.process import ServerProcess


def chat(
    *,
    name: Annotated[UserName, Parameter(name="--as")],
    group: Id = 0,
    invite: Text = "",
    lang: LanguageOption = None,
    plain: bool | None = None,
    token: Text | None = None,
    data: DataOption = DATA,
    config: ConfigOption = None,
    url: UrlOption = None,
) -> int:
    """Chat, send and open red packets in a terminal (/help lists the commands there).

    In a pipe, or with --plain, it reads one command per line and prints one event per line.

    Example: hongbao chat --as 小梅

    Parameters
    ----------
    name
        your user id, or a name, which stands for an id (2^40 + the first 40 bits of its SHA-256) and is shown to
        others; with --token it changes neither: the token tells who you are, and /name sets a name
    group
        id of the group to open; you are a member of it
    invite
        invite code of a group to join and to open (/invite shows it there)
    plain
        lines instead of screens (default: if input or output is not a terminal)
    token
        a login token (default: made with the key of --data)
    """
    where = url or url_of(data)
    login = token or mint(load(config, {}), data, user_id_of(name))
    options = "" if data == DATA else f"--data {shlex.quote(str(data))}"
    code = invite and invite_code(invite)
    shown_name = "" if token else name  # the token may be of another user: no name is set
    return run(chat_run.chat(where, login, shown_name, group, lang, plain, topup_options=options, invite=code))


def screenshots(folder: Path = Path("docs")) -> int:
    """Draw the pictures of the terminal client for the docs, from a scene on a private server with a bank."""
    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        for path in run(_draw(Path(name), folder)):
            print(path)
    return 0


async def _draw(data: Path, folder: Path) -> list[Path]:
    # importing a bank takes a third of the time in which a chat starts
    from client_sim.bank.books import BankBooks
    from client_sim.bank.keys import BankKeyring, new_key
    from client_sim.bank.server import BankServer
    from client_sim.chat import scene

    books = BankBooks(":memory:")
    bank = BankServer(books, BankKeyring({"b1": new_key()}, {"m1": new_key()}))
    await bank.start()
    try:
        config, settings = data / "bank.toml", load(None, {})
        config.write_text(bank.keys.config_lines(bank.url, bank.merchant), encoding="utf-8")
        with ServerProcess(data, "--config", str(config)) as server:
            return await scene.draw(server.url, lambda user_id: mint(settings, data, user_id), folder, books.inbox)
    finally:
        await bank.stop()
        books.close()
