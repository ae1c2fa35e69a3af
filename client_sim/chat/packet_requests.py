"""What a user can do with packets. Each function raises ClientError."""

from __future__ import annotations

from client_sim.chat.clean import cleaned
from client_sim.chat.model import CLAIMED, EXPIRED, GONE
from client_sim.chat.session import Session
from client_sim.sdk.errors import NoTicket
from protocol import messages

STATE_AFTER = {"won": CLAIMED, "claimed": CLAIMED, "gone": GONE, "expired": EXPIRED}  # by the answer to an open


async def send_again(session: Session, packet_id: int, group_id: int = 0) -> None:
    """Push the user's unfinished packet again, where it was sent (0) or to another group of the user."""
    again = await session.client.send_again(packet_id, group_id)
    session.emit("again", packet=packet_id, group=again.stream_id)


async def tap(session: Session, packet_id: int) -> messages.OpenPageShown:
    """The page that a tap on a packet shows, with a ticket if it may be opened."""
    page = cleaned(await session.client.open_page(packet_id, session.language))
    if page.result is not None:
        session.take_result(packet_id, page.result)
    elif page.view in (GONE, EXPIRED):
        session.move_packet(packet_id, page.view)
    return page


async def tap_link(session: Session, link: str) -> messages.OpenPageShown:
    """The page of the packet that a friend's link leads to."""
    page = cleaned(await session.client.tap_link(link, session.language))
    session.last_linked = page.packet_id
    return page


async def pass_on(session: Session, packet_id: int, group_id: int = 0) -> None:
    """A link to a packet that the user has opened, said in a group or one-to-one chat; 0: only shown."""
    made = await session.client.pass_on(packet_id, session.language)
    name = ""
    if group_id:
        await session.client.say(group_id, made.text)
        name = session.model.conversation_name(group_id)
    session.emit("passed_on", packet=packet_id, group=group_id, name=name, link=made.link, depth=made.depth)


async def say_words(session: Session, packet_id: int, words: str) -> None:
    """Say the words of a packet. Raises WordsWrong, WordsSpent, BadWords."""
    answer = await session.client.say_words(packet_id, words)
    if answer in STATE_AFTER:
        session.move_packet(packet_id, STATE_AFTER[answer])


async def open_share(session: Session, packet_id: int, ticket: int = 0) -> messages.Opened:
    """Open a share, with the ticket of a tap. Without one, or if it has lapsed, grab first."""
    client = session.client
    try:
        opened = await (client.open_with(packet_id, ticket) if ticket else client.open(packet_id))
    except NoTicket:
        opened = await client.open(packet_id)
    if opened.answer == "won":
        session.model.arriving_fen += opened.amount_fen
    if opened.answer in STATE_AFTER:
        session.move_packet(packet_id, STATE_AFTER[opened.answer], opened.amount_fen)
    return opened


async def learn_claims(session: Session, version: int) -> None:
    """Which packets the changes of the wallet up to a version came from: also those opened in another session."""
    while session.wallet_version < version:
        found = await session.patiently(lambda: session.client.entries(session.wallet_version))
        session.take_claims(found.entries)
        if not found.more:
            session.wallet_version = max(session.wallet_version, version)


async def result(
    session: Session, packet_id: int, before_index: int = 0, subscribe: bool = False
) -> messages.ResultPageBody:
    """The result page. `subscribe`: an event for each later claim, until `unsubscribe`."""
    shown = await session.patiently(
        lambda: session.client.result_page(packet_id, session.language, before_index, subscribe)
    )
    page = cleaned(shown.page)
    session.take_result(packet_id, page)
    return page


async def unsubscribe(session: Session, packet_id: int) -> None:
    """No more events of claims."""
    await session.client.unsubscribe(packet_id)


async def records(
    session: Session, direction: str, year: int = 0, after: messages.RecordLine | None = None
) -> messages.RecordsShown:
    """What the user sent or received in a year (0: this one), newest first; `after`: only older than this line."""
    at_ms, packet_id = (after.at_ms, after.packet_id) if after else (0, 0)
    shown = await session.patiently(lambda: session.client.records(direction, year, at_ms, packet_id))
    shown.lines = [cleaned(one) for one in shown.lines]
    for one in shown.lines:
        one.name = one.name or session.model.conversation_name(one.user_id)
    return shown


async def statement(session: Session, before_version: int = 0) -> messages.StatementPage:
    """A page of the statement of the wallet: the newest changes, or those before a version of it."""
    shown = await session.client.statement(before_version)
    shown.lines = [cleaned(one) for one in shown.lines]
    for one in shown.lines:
        one.other_name = one.other_name or session.model.conversation_name(one.other_id)
    return shown
