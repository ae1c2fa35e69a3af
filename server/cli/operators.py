"""The commands that ask a running server through its status socket."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Literal

from cyclopts import Parameter

from server.cli.shared.answers import DEFAULT, ServerOptions, ask_server, show, show_answer
from server.cli.shared.numbers import Count, Id
from server.cli.shared.resources import WrongOptions
from server.cli.shared.users import User
from server.instance import NoAnswer
from server.ops.samples.sample import Sort

Level = Literal["debug", "info", "warning", "error"]
POLL_S = 0.2


def status(
    *,
    healthy: Annotated[
        bool,
        Parameter(negative=(), help="print nothing if the server is ready for traffic; else exit 1 and say why"),
    ] = False,
    server: ServerOptions = DEFAULT,
) -> int:
    """Show the state of a running server.

    Example: hongbao status --healthy || echo "take it out of the load balancer"
    """
    if not healthy:
        return show_answer(server, "status")
    answer = ask_server(server, "status")
    if not answer["ready"]:
        raise NoAnswer("; ".join(answer["reasons"]))
    return 0


def connections(*, sort: Sort = "pending", most: Count = 20, server: ServerOptions = DEFAULT) -> int:
    """List the connections with the most unread bytes, the longest silence or the most requests.

    Example: hongbao connections --sort idle --most 50

    Parameters
    ----------
    sort
        by unread bytes (pending), by time since the last frame (idle), or by requests
    most
        length of the list
    """
    return show_answer(server, "connections", "--sort", sort, "--most", most)


def packet(packet_id: Id, /, *, server: ServerOptions = DEFAULT) -> int:
    """Show a packet in record, memory and mirror.

    Example: hongbao packet 251234567890123456
    """
    return show_answer(server, "packet", packet_id)


def user(user: User, /, *, server: ServerOptions = DEFAULT) -> int:
    """Show a user's balance, groups and connections.

    Example: hongbao user 1001

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    """
    return show_answer(server, "user", user)


def payment(
    number: Id,
    /,
    *,
    confirm: Annotated[bool, Parameter(negative=())] = False,
    decline: str = "",
    close: Annotated[bool, Parameter(negative=())] = False,
    server: ServerOptions = DEFAULT,
) -> int:
    """Show a payment with all evidence about it.

    Example: hongbao payment 251234567890123456 --decline "no such account"

    Parameters
    ----------
    confirm
        of a payment by hand ([manual]): the transfer was made
    decline
        of a payment by hand: the transfer was not made and never will be; the reason is shown to the user
    close
        of another payment: have its gateway never do it; if it is done already, that is recorded
    """
    asked = [["confirm"]] * confirm + [["decline", decline]] * bool(decline) + [["close"]] * close
    if len(asked) > 1:
        raise WrongOptions("give one of --confirm, --decline and --close")
    if asked:
        return show_answer(server, "conclude", number, *asked[0])
    return show_answer(server, "payment", number)


def stores(*, server: ServerOptions = DEFAULT) -> int:
    """Check that both stores respond, and show how fast."""
    return show_answer(server, "stores")


def settlement(*, server: ServerOptions = DEFAULT) -> int:
    """Show what was credited to wallets and what is still queued."""
    return show_answer(server, "settlement")


def refunds(*, server: ServerOptions = DEFAULT) -> int:
    """Show what was refunded and what is due."""
    return show_answer(server, "refunds")


def disconnect(user: User, /, *, server: ServerOptions = DEFAULT) -> int:
    """Disconnect a user: close all their connections; the clients may reconnect at once.

    Example: hongbao disconnect 1001

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    """
    return show_answer(server, "disconnect", user)


def kick(user: User, /, *, server: ServerOptions = DEFAULT) -> int:
    """The old name of `disconnect`; it works for one version more.

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    """
    print("hongbao: kick is now called disconnect", file=sys.stderr)
    return disconnect(user, server=server)


def drain(*, server: ServerOptions = DEFAULT) -> int:
    """Stop the server after the requests in flight are answered, like SIGTERM."""
    return show_answer(server, "drain")


def reload(*, server: ServerOptions = DEFAULT) -> int:
    """Reload config, keys and certificates, like SIGHUP; exit 1 if one of them is invalid."""
    return show_answer(server, "reload")


def restart(*, server: ServerOptions = DEFAULT) -> int:
    """Restart all workers, one after the other, while clients can connect; exit 1 if one does not start.

    Example: hongbao restart
    """
    begun = ask_server(server, "restart")
    while (now := ask_server(server, "status")["restart"])["state"] == "running":
        time.sleep(POLL_S)
    if now["state"] == "failed":
        raise NoAnswer(now["why"])
    show(
        server, {"restarted": now["replaced"], "changed": begun["changed"], "needs_restart": begun["needs_restart"]}
    )
    return 0


def log_level(level: Level, /, *, server: ServerOptions = DEFAULT) -> int:
    """Change the log level until the next reload or restart.

    Example: hongbao log-level debug
    """
    return show_answer(server, "log-level", level)
