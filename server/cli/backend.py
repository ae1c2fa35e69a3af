"""What a chat backend does, from the command line: tokens, money in and out, bans, forgetting."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter

from client_sim.sdk.client import Client
from client_sim.sdk.errors import NotEnoughMoney, Refusal
from protocol import messages
from server.cli.shared.as_backend import AS_BACKEND, BackendOptions, Create, as_backend, known
from server.cli.shared.numbers import Fen, Hours, Id
from server.cli.shared.options import DATA, ConfigOption, DataOption
from server.cli.shared.resources import CommandFailed, WrongOptions, mint
from server.cli.shared.users import User
from server.cli.shared.words import Text
from server.config import load
from server.core.ids import BACKEND

Yes = Annotated[bool, Parameter(negative=(), help="erase without asking again")]


def token(
    user: User | None = None,
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
        raise WrongOptions("give either a user id or --backend")
    user_id = BACKEND if user is None else user
    print(mint(load(config, {}), data, user_id, hours))
    return 0


def topup(
    user: User,
    amount: Fen,
    *,
    key: Text | None = None,
    create: Create = False,
    server: BackendOptions = AS_BACKEND,
) -> int:
    """Credit money from outside to a user's wallet and print the new balance.

    Example: hongbao topup 1001 10000 --key order-4711

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`; the server must know this user
    amount
        a whole number of the smallest unit of money: 10000 is 100.00 with two decimals, 10000 with none
    key
        idempotency key: the same key moves money once (default: a new one)
    """

    async def work(backend: Client) -> int:
        with known():
            return await backend.top_up(user, amount, key, known_only=not create)

    print(as_backend(work, server))
    return 0


def withdraw(user: User, amount: Fen, *, key: Text | None = None, server: BackendOptions = AS_BACKEND) -> int:
    """Debit a user's wallet, money to the outside, and print the new balance.

    Example: hongbao withdraw 1001 10000 --key payout-4711

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    amount
        a whole number of the smallest unit of money: 10000 is 100.00 with two decimals, 10000 with none; the
        wallet must hold it
    key
        idempotency key: the same key moves money once (default: a new one)
    """

    async def work(backend: Client) -> int:
        try:
            return await backend.withdraw(user, amount, key)
        except NotEnoughMoney:
            raise CommandFailed(
                f"the wallet of user {user} holds less than {amount} {backend.money.smallest}, or the server "
                f"knows no such user; no money was moved (see: hongbao user {user})"
            ) from None

    print(as_backend(work, server))
    return 0


def refund_to_card(
    payment: Id, amount: Fen, /, *, key: Text | None = None, server: BackendOptions = AS_BACKEND
) -> int:
    """Give a charge, or a part of it, from the wallet of its user back to its card.

    Example: hongbao refund-to-card 251234567890123456 10000 --key return-4711

    Parameters
    ----------
    payment
        the number of the charge (see: hongbao payments --user USER)
    amount
        a whole number of the smallest unit of money; the wallet must hold it, and all refunds of a charge are at
        most the charge
    key
        idempotency key: the same key moves money once (default: a new one)
    """

    async def work(backend: Client) -> messages.RefundedToCard:
        try:
            return await backend.refund_to_card(payment, amount, key)
        except Refusal as refused:
            raise CommandFailed(f"nothing was refunded: {refused}") from None

    made = as_backend(work, server)
    print(f"payment {made.payment_id}: {made.state}")
    return 0


def ban(user: User, *, create: Create = False, server: BackendOptions = AS_BACKEND) -> int:
    """Ban a user: end their connections and refuse their logins, on all servers, until `hongbao unban`.

    Example: hongbao ban 1001

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`; the server must know this user
    """
    return _set_ban(user, True, create, server)


def unban(user: User, *, server: BackendOptions = AS_BACKEND) -> int:
    """Lift the ban of a user: their logins are accepted again.

    Example: hongbao unban 1001

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`; the server must know this user
    """
    return _set_ban(user, False, False, server)


def revoke(user: User, *, create: Create = False, server: BackendOptions = AS_BACKEND) -> int:
    """Revoke all tokens of a user that were issued until now, and end their connections.

    Example: hongbao revoke 1001

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    """

    async def work(backend: Client) -> None:
        with known():
            tokens_from_s = await backend.revoke_tokens(user, known_only=not create)
        moment = datetime.fromtimestamp(tokens_from_s, UTC)
        print(f"tokens of user {user} that were issued before {moment:%Y-%m-%dT%H:%M:%SZ} are revoked")

    as_backend(work, server)
    return 0


def forget(user: User, *, yes: Yes = False, server: BackendOptions = AS_BACKEND) -> int:
    """Erase a user's name, picture, cards and pay password for good; the books stay.

    Example: hongbao forget 1001 --yes

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`; the server must know this user
    """
    if not yes:
        raise WrongOptions(f"user {user} is erased for good: repeat the command with --yes")

    async def work(backend: Client) -> None:
        with known(advice=""):
            await backend.forget_user(user)
        print(f"user {user} is forgotten: name, picture, cards and pay password are erased, the books stay")

    as_backend(work, server)
    return 0


def _set_ban(user_id: int, banned: bool, create: bool, server: BackendOptions) -> int:
    advice = "with --create the user is made, and banned" if banned else ""

    async def work(backend: Client) -> None:
        with known(advice=advice):
            await backend.ban_user(user_id, banned, known_only=not create)
        print(f"user {user_id} is {'' if banned else 'not '}banned")

    as_backend(work, server)
    return 0
