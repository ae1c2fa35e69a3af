"""`hongbao token` and `hongbao topup`: what a chat backend does, from the command line."""

from __future__ import annotations

from client_sim.sdk.client import Client
from client_sim.sdk.names import user_id_of
from server.cli.numbers import Fen, Hours
from server.cli.options import DATA, ConfigOption, DataOption, UrlOption
from server.cli.resources import CommandFailed, mint, url_of
from server.config import load
from server.core.ids import BACKEND
from server.loop import run


def token(
    user: str | None = None,
    *,
    backend: bool = False,
    hours: Hours | None = None,
    data: DataOption = DATA,
    config: ConfigOption = None,
) -> int:
    """Print a login token for a user, as your chat backend would make it.

    Example: hongbao token 1001 --hours 24

    Parameters
    ----------
    user
        the user's id in your chat app (1 to 2^53-1), or a name as in `hongbao chat --as NAME`
    backend
        a token for the chat backend itself, which may top up and withdraw
    hours
        lifetime of the token (default: auth.token_lifetime_s)
    """
    if backend == (user is not None):
        raise CommandFailed("give either a user id or --backend")
    user_id = BACKEND if user is None else user_id_of(user)
    print(mint(load(config, {}), data, user_id, hours))
    return 0


def topup(
    user: str,
    amount_fen: Fen,
    *,
    key: str | None = None,
    data: DataOption = DATA,
    config: ConfigOption = None,
    url: UrlOption = None,
) -> int:
    """Credit money from outside to a user's wallet and print the new balance in fen.

    Example: hongbao topup 1001 10000 --key order-4711

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    amount_fen
        the amount in fen (10000 is 100.00 yuan)
    key
        idempotency key: the same key moves money once (default: a new one)
    """
    settings, user_id = load(config, {}), user_id_of(user)

    async def work(where: str) -> int:
        async with Client(where, mint(settings, data, BACKEND)) as backend:
            print(await backend.top_up(user_id, amount_fen, key))
        return 0

    return run(work(url or url_of(data)))
