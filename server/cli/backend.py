"""What a chat backend does, from the command line: tokens, top-ups, bans."""

from __future__ import annotations

from datetime import UTC, datetime

from client_sim.sdk.client import Client
from client_sim.sdk.names import user_id_of
from server.cli.as_backend import AS_BACKEND, BackendOptions, as_backend
from server.cli.numbers import Fen, Hours
from server.cli.options import DATA, ConfigOption, DataOption
from server.cli.resources import CommandFailed, mint
from server.config import load
from server.core.ids import BACKEND


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
        a token for the chat backend itself, which may top up, withdraw, name and ban users
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
    server: BackendOptions = AS_BACKEND,
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
    user_id = user_id_of(user)

    async def work(backend: Client) -> None:
        print(await backend.top_up(user_id, amount_fen, key))

    as_backend(work, server)
    return 0


def ban(user: str, *, server: BackendOptions = AS_BACKEND) -> int:
    """Ban a user: end their connections and refuse their logins, on all servers, until `hongbao unban`.

    Example: hongbao ban 1001

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    """
    return _set_ban(user, True, server)


def unban(user: str, *, server: BackendOptions = AS_BACKEND) -> int:
    """Lift the ban of a user: their logins are accepted again.

    Example: hongbao unban 1001

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    """
    return _set_ban(user, False, server)


def revoke(user: str, *, server: BackendOptions = AS_BACKEND) -> int:
    """Revoke all tokens of a user that were issued until now, and end their connections.

    Example: hongbao revoke 1001

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    """
    user_id = user_id_of(user)

    async def work(backend: Client) -> None:
        tokens_from_s = await backend.revoke_tokens(user_id)
        moment = datetime.fromtimestamp(tokens_from_s, UTC)
        print(f"tokens of user {user_id} that were issued before {moment:%Y-%m-%dT%H:%M:%SZ} are revoked")

    as_backend(work, server)
    return 0


def _set_ban(user: str, banned: bool, server: BackendOptions) -> int:
    user_id = user_id_of(user)

    async def work(backend: Client) -> None:
        await backend.ban_user(user_id, banned)
        print(f"user {user_id} is {'' if banned else 'not '}banned")

    as_backend(work, server)
    return 0
