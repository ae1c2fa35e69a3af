"""The pages of each viewer: every row of the open page, every rule of the result page, in both languages."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.money_unit import YUAN
from server.core.amounts import Caps
from server.core.decisions import Answer, Claim
from server.core.kinds import PacketKind, SentBy
from server.core.limits import Limits
from server.core.packet import Packet
from server.core.packet_request import Terms, may_open
from server.core.pages import (
    NO_CLAIM,
    USES,
    Known,
    OpenPageView,
    ResultPageView,
    State,
    View,
    Viewer,
    may_see_proof,
    open_page,
    proof_names,
    result_page,
)
from server.core.texts import Language, say

T0 = 1_800_000_000_000
DAY_MS = 86_400_000
SOON, LATE = T0 + 60_000, T0 + DAY_MS
ANN, BEN, CAI, DEE, EVE = 1, 2, 3, 4, 5  # Ann sends; all but Eve are in the group
MEMBERS = (ANN, BEN, CAI, DEE)
ZH, EN = Language.ZH, Language.EN
GREETING = "恭喜发财,大吉大利"
AMOUNTS_FEN = {
    PacketKind.LUCKY: (123, 500, 377),
    PacketKind.EQUAL: (200, 200, 200),
    PacketKind.PERSONAL: (888,),
    PacketKind.ENTERPRISE: (888,),
    PacketKind.ENTERPRISE_LUCKY: (123, 500, 377),
    PacketKind.ENTERPRISE_EQUAL: (200, 200, 200),
    PacketKind.FISSION: (123, 500, 377),
    PacketKind.EXCLUSIVE: (300, 300),
    PacketKind.PASSWORD: (123, 500, 377),
}
TOOK_MS = (1_000, 2_000, 3_000)


def known(
    kind: PacketKind, *openers: int, shares: int | None = None, closed: bool = False, **changes: Any
) -> Known:
    """A packet of 10.00 (lucky, fission to Ben), 6.00 (equal, 3 shares; exclusive, for Ben and Cai) or 8.88 yuan
    (personal, to Ben), opened by these users.
    """
    amounts_fen = AMOUNTS_FEN[kind][:shares]
    target_id = BEN if kind.row.goes_to_user else 2**59
    usual = Terms(
        2**60,
        kind,
        ANN,
        target_id,
        sum(amounts_fen),
        len(amounts_fen),
        Caps(),
        GREETING,
        bytes(32),
        T0,
        T0 + DAY_MS,
        only_for=frozenset((BEN, CAI)) if kind is PacketKind.EXCLUSIVE else frozenset(),
    )
    terms = usual._replace(**changes)
    claims = [Claim(index, user, amounts_fen[index], T0 + TOOK_MS[index]) for index, user in enumerate(openers)]
    return Known(terms, {claim.user_id: claim for claim in claims}, closed or len(claims) == terms.shares)


def viewer(packet: Known, user_id: int, language: Language = ZH) -> Viewer:
    """No viewer has said the words of a packet that has some."""
    is_member = sees_it = user_id in MEMBERS
    if packet.terms.kind is PacketKind.FISSION:  # friends are admitted by a user who has opened it
        is_member = user_id == BEN or (user_id in (CAI, DEE) and bool(packet.claims))
    has_said, may = not packet.terms.kind.row.has_words, may_open(packet.terms, user_id, is_member)
    return Viewer(user_id, may, is_member, language, YUAN, sees_it, has_said=has_said)


def tap(packet: Known, user_id: int, now_ms: int = SOON, language: Language = ZH) -> OpenPageView | None:
    return open_page(packet, viewer(packet, user_id, language), now_ms)


def result(packet: Known, user_id: int, now_ms: int = SOON, language: Language = ZH) -> ResultPageView:
    page = result_page(packet, viewer(packet, user_id, language), now_ms, credited=True)
    assert page is not None
    return page


LUCKY, EQUAL, PERSONAL = known(PacketKind.LUCKY), known(PacketKind.EQUAL), known(PacketKind.PERSONAL)
LUCKY_BEGUN, EQUAL_BEGUN = known(PacketKind.LUCKY, BEN), known(PacketKind.EQUAL, BEN)
LUCKY_DONE, EQUAL_DONE = known(PacketKind.LUCKY, BEN, ANN, CAI), known(PacketKind.EQUAL, BEN, ANN, CAI)
WITHOUT_ANN, EQUAL_WITHOUT_ANN = known(PacketKind.LUCKY, BEN, CAI, DEE), known(PacketKind.EQUAL, BEN, CAI, DEE)
PERSONAL_DONE = known(PacketKind.PERSONAL, BEN)
LUCKY_BACK, EQUAL_BACK = known(PacketKind.LUCKY, BEN, closed=True), known(PacketKind.EQUAL, BEN, closed=True)
LUCKY_ONE, PERSONAL_BACK = known(PacketKind.LUCKY, shares=1), known(PacketKind.PERSONAL, closed=True)
LUCKY_ONE_DONE = known(PacketKind.LUCKY, BEN, shares=1)
PASSWORD, PASSWORD_BEGUN = known(PacketKind.PASSWORD), known(PacketKind.PASSWORD, BEN)
PASSWORD_DONE = known(PacketKind.PASSWORD, BEN, ANN, CAI)
EXCLUSIVE, EXCLUSIVE_BEGUN = known(PacketKind.EXCLUSIVE), known(PacketKind.EXCLUSIVE, BEN)
EXCLUSIVE_DONE, EXCLUSIVE_BACK = (
    known(PacketKind.EXCLUSIVE, BEN, CAI),
    known(PacketKind.EXCLUSIVE, BEN, closed=True),
)


# --- the page of a tap ----------------------------------------------------------------------------------------

NOTHING = ("", "", "")
COIN = {ZH: ("", "拆", ""), EN: ("", "Open", "")}
GONE = {ZH: ("手慢了,红包派完了", "", ""), EN: ("Better luck next time: all gone", "", "")}
GONE_WITH_LIST = {
    ZH: ("手慢了,红包派完了", "", "看看大家的手气"),
    EN: ("Better luck next time: all gone", "", "See how lucky everybody was"),
}
EXPIRED = {ZH: ("该红包已超过24小时", "", ""), EN: ("This red packet is more than 24 hours old", "", "")}
RESULT = {ZH: NOTHING, EN: NOTHING}
WORDS = {
    ZH: ("在聊天里说出口令，就能拆红包", "说出口令", ""),
    EN: ("Say its words in the chat to open it", "Say the words", ""),
}
FOR_OTHERS = {
    ZH: ("这是专属红包，只有指定的2个人可以领取", "", ""),
    EN: ("Only for 2 other people", "", ""),
}
LINK_OF_THE_SENDER = {
    ZH: "查看领取详情",
    EN: "See who opened it",
}  # if other users have none
TEXTS = {
    View.OPEN: COIN,
    View.GONE: GONE,
    View.GONE_WITH_LIST: GONE_WITH_LIST,
    View.EXPIRED: EXPIRED,
    View.RESULT: RESULT,
    View.FOR_OTHERS: FOR_OTHERS,
    View.WORDS: WORDS,
}
TEXTS_FOR_THE_SENDER = TEXTS | {
    view: {language: (*TEXTS[view][language][:2], LINK_OF_THE_SENDER[language]) for language in Language}
    for view in (View.OPEN, View.GONE, View.EXPIRED, View.WORDS)
}

TAPS = [
    # has a claim, or sent a personal packet: the result page, in every state
    (LUCKY_BEGUN, BEN, SOON, View.RESULT),
    (LUCKY_BEGUN, BEN, LATE, View.RESULT),
    (LUCKY_BACK, BEN, LATE, View.RESULT),
    (LUCKY_DONE, BEN, SOON, View.RESULT),
    (LUCKY_DONE, BEN, LATE, View.RESULT),
    (LUCKY_DONE, ANN, SOON, View.RESULT),
    (EQUAL_BEGUN, BEN, LATE, View.RESULT),
    (EQUAL_DONE, ANN, SOON, View.RESULT),
    (PERSONAL, ANN, SOON, View.RESULT),
    (PERSONAL, ANN, LATE, View.RESULT),
    (PERSONAL_BACK, ANN, LATE, View.RESULT),
    (PERSONAL_DONE, ANN, SOON, View.RESULT),
    (PERSONAL_DONE, BEN, SOON, View.RESULT),
    # may open, shares left: also the sender of a group packet
    (LUCKY, BEN, SOON, View.OPEN),
    (LUCKY, BEN, LATE - 1, View.OPEN),
    (LUCKY, ANN, SOON, View.OPEN),
    (LUCKY_BEGUN, CAI, SOON, View.OPEN),
    (EQUAL, ANN, SOON, View.OPEN),
    (EQUAL_BEGUN, CAI, SOON, View.OPEN),
    (PERSONAL, BEN, SOON, View.OPEN),
    # no claim, lucky, finished: also after its expiry
    (LUCKY_DONE, DEE, SOON, View.GONE_WITH_LIST),
    (LUCKY_DONE, DEE, LATE, View.GONE_WITH_LIST),
    (WITHOUT_ANN, ANN, SOON, View.GONE_WITH_LIST),
    (LUCKY_ONE_DONE, ANN, SOON, View.GONE_WITH_LIST),
    # no claim, equal, finished
    (EQUAL_DONE, DEE, SOON, View.GONE),
    (EQUAL_DONE, DEE, LATE, View.GONE),
    (EQUAL_WITHOUT_ANN, ANN, SOON, View.GONE),
    # no claim, expired: before and after the refund
    (LUCKY, BEN, LATE, View.EXPIRED),
    (LUCKY, ANN, LATE, View.EXPIRED),
    (LUCKY_BEGUN, CAI, LATE, View.EXPIRED),
    (LUCKY_BACK, CAI, LATE, View.EXPIRED),
    (LUCKY_BACK, ANN, LATE, View.EXPIRED),
    (EQUAL, ANN, LATE, View.EXPIRED),
    (EQUAL_BACK, ANN, LATE, View.EXPIRED),
    (PERSONAL, BEN, LATE, View.EXPIRED),
    (PERSONAL_BACK, BEN, LATE, View.EXPIRED),
    # no permission: the same as for a packet that does not exist
    (LUCKY, EVE, SOON, None),
    (LUCKY_DONE, EVE, SOON, None),
    (LUCKY, EVE, LATE, None),
    (EQUAL_DONE, EVE, SOON, None),
    (PERSONAL, CAI, SOON, None),
    (PERSONAL_DONE, CAI, SOON, None),
    (PERSONAL_BACK, CAI, LATE, None),
    # exclusive: as equal to those who are named, for others that it is not for them, and the result for the sender
    (EXCLUSIVE, BEN, SOON, View.OPEN),
    (EXCLUSIVE, BEN, LATE, View.EXPIRED),
    (EXCLUSIVE_BEGUN, BEN, SOON, View.RESULT),
    (EXCLUSIVE, ANN, SOON, View.RESULT),
    (EXCLUSIVE_DONE, ANN, SOON, View.RESULT),
    (EXCLUSIVE_BACK, CAI, LATE, View.EXPIRED),
    (EXCLUSIVE, DEE, SOON, View.FOR_OTHERS),
    (EXCLUSIVE_DONE, DEE, SOON, View.FOR_OTHERS),
    (EXCLUSIVE_BACK, DEE, LATE, View.FOR_OTHERS),
    (EXCLUSIVE, EVE, SOON, None),
    # password: as lucky, but the words come before the coin, and nothing is said of them once it is over
    (PASSWORD, BEN, SOON, View.WORDS),
    (PASSWORD, ANN, SOON, View.WORDS),
    (PASSWORD, BEN, LATE, View.EXPIRED),
    (PASSWORD_BEGUN, BEN, SOON, View.RESULT),
    (PASSWORD_BEGUN, CAI, SOON, View.WORDS),
    (PASSWORD_DONE, DEE, SOON, View.GONE_WITH_LIST),
    (PASSWORD, EVE, SOON, None),
]


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(("packet", "user_id", "now_ms", "view"), TAPS)
def test_open_page_of_each_viewer_and_state(
    packet: Known, user_id: int, now_ms: int, view: View | None, language: Language
) -> None:
    page = tap(packet, user_id, now_ms, language)
    texts = TEXTS_FOR_THE_SENDER if user_id == ANN else TEXTS
    expected = (
        None
        if view is None
        else OpenPageView(view, ANN, GREETING, *texts[view][language], tuple(sorted(packet.terms.only_for)))
    )
    assert page == expected


def test_a_sender_who_left_the_group_goes_to_the_result_page() -> None:
    page = open_page(LUCKY, Viewer(ANN, False, False, ZH, YUAN), SOON)
    assert page is not None
    assert page.view is View.RESULT


def test_kicked_member_with_a_claim_still_sees_the_result_page() -> None:
    kicked = Viewer(BEN, False, False, ZH, YUAN)
    page = open_page(LUCKY_BEGUN, kicked, SOON)
    assert page is not None
    assert page.view is View.RESULT
    assert result_page(LUCKY_BEGUN, kicked, SOON, credited=True) == result(LUCKY_BEGUN, BEN)


def test_expired_text_names_the_lifetime_of_the_packet() -> None:
    short = known(PacketKind.LUCKY, expires_at_ms=T0 + 120_000)
    pages = [tap(short, BEN, LATE, language) for language in Language]
    assert [page and page.line for page in pages] == [
        "该红包已超过2分钟",
        "This red packet is more than 2 minutes old",
    ]


# --- rule by rule ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_ms", "zh", "en"),
    [
        (T0, "已存入零钱,可用于发红包", "In your balance now: send a red packet with it"),
        (T0 + 1, "已存入零钱,可用于消费", "In your balance now: buy something with it"),
        (T0 + 2, "已存入零钱,可用于转账", "In your balance now: transfer it"),
        (T0 + 3, "已存入零钱,可用于提现", "In your balance now: withdraw it to your bank"),
        (T0 + 4, "已存入零钱,可用于发红包", "In your balance now: send a red packet with it"),
    ],
)
def test_rule_1_user_with_a_claim_sees_the_amount_and_one_use_of_it(at_ms: int, zh: str, en: str) -> None:
    packet = known(PacketKind.PERSONAL)._replace(claims={BEN: Claim(0, BEN, 888, at_ms)})
    pages = [result(packet, BEN, LATE, language) for language in (ZH, EN)]
    assert [(page.amount_fen, page.amount, page.note) for page in pages] == [
        (888, "8.88元", zh),
        (888, "8.88 yuan", en),
    ]
    assert result(packet, BEN, LATE + 1).note == zh  # the same one at every request


@pytest.mark.parametrize(("language", "note"), [(ZH, "正在存入零钱"), (EN, "Arriving in your balance")])
def test_rule_1_share_that_is_not_credited_yet_is_arriving(language: Language, note: str) -> None:
    for packet, user_id, expected in ((LUCKY_BEGUN, BEN, note), (LUCKY_BEGUN, ANN, "")):
        page = result_page(packet, viewer(packet, user_id, language), SOON, credited=False)
        assert page is not None
        assert page.note == expected


@pytest.mark.parametrize(
    ("packet", "user_id", "amount_fen"),
    [(LUCKY_DONE, ANN, 500), (LUCKY_BEGUN, BEN, 123), (EQUAL_BACK, BEN, 200), (PERSONAL_DONE, BEN, 888)],
)
def test_rule_1_sender_with_a_claim_sees_the_amount(packet: Known, user_id: int, amount_fen: int) -> None:
    page = result(packet, user_id)
    assert (page.amount_fen, page.amount) == (amount_fen, f"{YUAN.number(amount_fen)}元")
    assert page.note in {say(ZH, use, {}, YUAN) for use in USES}


@pytest.mark.parametrize(("packet", "user_id"), [(LUCKY, ANN), (WITHOUT_ANN, ANN), (LUCKY_DONE, DEE)])
def test_rule_1_user_without_a_claim_sees_no_amount(packet: Known, user_id: int) -> None:
    page = result(packet, user_id)
    assert (page.amount_fen, page.amount, page.note) == (0, "", "")


@pytest.mark.parametrize(
    ("packet", "user_id", "now_ms", "offered"),
    [
        (LUCKY, ANN, SOON, True),
        (LUCKY_BEGUN, ANN, LATE - 1, True),
        (known(PacketKind.LUCKY, ANN), ANN, SOON, True),  # has a claim in it
        (EQUAL_BEGUN, ANN, SOON, True),
        (PERSONAL, ANN, SOON, True),
        (LUCKY_BEGUN, BEN, SOON, False),  # not the sender
        (LUCKY_DONE, ANN, SOON, False),
        (PERSONAL_DONE, ANN, SOON, False),
        (LUCKY_BEGUN, ANN, LATE, False),  # no user could open it any more
        (LUCKY_BACK, ANN, LATE, False),
    ],
)
def test_rule_2_the_sender_may_send_an_open_packet_again(
    packet: Known, user_id: int, now_ms: int, offered: bool
) -> None:
    assert result(packet, user_id, now_ms, ZH).send_again == ("继续发送此红包" if offered else "")
    assert result(packet, user_id, now_ms, EN).send_again == ("Send this red packet again" if offered else "")


@pytest.mark.parametrize(
    ("packet", "may_open_it", "offered"),
    [
        (LUCKY_BEGUN, False, False),
        (EQUAL_BEGUN, False, False),
        (LUCKY_BEGUN, True, False),  # still in another group that it was sent to
        (PERSONAL, False, True),
    ],
)
def test_rule_2_send_again_to_sender_outside_the_first_group_is_offered_for_personal_packets_only(
    packet: Known, may_open_it: bool, offered: bool
) -> None:
    page = result_page(packet, Viewer(ANN, may_open_it, False, EN, YUAN), SOON, credited=True)
    assert page is not None
    assert bool(page.send_again) is offered


@pytest.mark.parametrize(
    ("packet", "user_id", "offered"),
    [
        (LUCKY_BEGUN, BEN, True),
        (LUCKY_DONE, CAI, True),
        (EQUAL_DONE, BEN, True),
        (PERSONAL_DONE, BEN, True),
        (LUCKY_DONE, ANN, False),  # claimed, but it is her own packet
        (PERSONAL_DONE, ANN, False),
        (LUCKY_DONE, DEE, False),  # has not claimed
    ],
)
def test_rule_3_user_with_a_claim_in_a_packet_of_another_user_sees_a_link_to_the_records(
    packet: Known, user_id: int, offered: bool
) -> None:
    assert result(packet, user_id, language=ZH).records == ("查看我的红包记录" if offered else "")
    assert result(packet, user_id, language=EN).records == ("See my red packets" if offered else "")


SUMMARIES = [
    # rule 4: finished
    (LUCKY_DONE, ANN, SOON, "3个红包共10.00元,3秒被抢光", "3 red packets, 10.00 yuan in all, gone in 3 seconds"),
    (WITHOUT_ANN, ANN, LATE, "3个红包共10.00元,3秒被抢光", "3 red packets, 10.00 yuan in all, gone in 3 seconds"),
    (LUCKY_DONE, BEN, SOON, "3个红包,3秒被抢光", "3 red packets, gone in 3 seconds"),
    (LUCKY_DONE, DEE, LATE, "3个红包,3秒被抢光", "3 red packets, gone in 3 seconds"),
    (LUCKY_ONE_DONE, ANN, SOON, "1个红包共1.23元,1秒被抢光", "1 red packet, 1.23 yuan in all, gone in 1 second"),
    (LUCKY_ONE_DONE, BEN, SOON, "1个红包,1秒被抢光", "1 red packet, gone in 1 second"),
    (EQUAL_DONE, ANN, SOON, "3个红包共6.00元", "3 red packets, 6.00 yuan in all"),
    (EQUAL_WITHOUT_ANN, ANN, SOON, "3个红包共6.00元", "3 red packets, 6.00 yuan in all"),
    (EQUAL_DONE, BEN, SOON, "3个红包共6.00元", "3 red packets, 6.00 yuan in all"),
    (PERSONAL_DONE, ANN, SOON, "1个红包共8.88元", "1 red packet, 8.88 yuan in all"),
    (PERSONAL_DONE, BEN, LATE, "1个红包共8.88元", "1 red packet, 8.88 yuan in all"),
    # rule 5: unfinished, more than one share; also after its end
    (LUCKY, ANN, SOON, "已领取0/3个,共0.00/10.00元", "0 of 3 opened, 0.00 of 10.00 yuan"),
    (LUCKY_BEGUN, ANN, SOON, "已领取1/3个,共1.23/10.00元", "1 of 3 opened, 1.23 of 10.00 yuan"),
    (LUCKY_BEGUN, BEN, SOON, "领取1/3个", "1 of 3 opened"),
    (LUCKY_BACK, ANN, LATE, "已领取1/3个,共1.23/10.00元", "1 of 3 opened, 1.23 of 10.00 yuan"),
    (LUCKY_BACK, BEN, LATE, "领取1/3个", "1 of 3 opened"),
    (EQUAL_BEGUN, ANN, LATE, "已领取1/3个,共2.00/6.00元", "1 of 3 opened, 2.00 of 6.00 yuan"),
    (EQUAL_BEGUN, BEN, SOON, "领取1/3个", "1 of 3 opened"),
    # rule 6: unfinished, one share
    (PERSONAL, ANN, SOON, "红包金额8.88元,等待对方领取", "8.88 yuan, waiting to be opened"),
    (LUCKY_ONE, ANN, SOON, "红包金额1.23元,等待对方领取", "1.23 yuan, waiting to be opened"),
    (PERSONAL, ANN, LATE, "红包金额8.88元，未被领取", "8.88 yuan, not opened"),
    (PERSONAL_BACK, ANN, LATE, "红包金额8.88元，未被领取", "8.88 yuan, not opened"),
    # exclusive: as equal
    (EXCLUSIVE_BEGUN, ANN, SOON, "已领取1/2个,共3.00/6.00元", "1 of 2 opened, 3.00 of 6.00 yuan"),
    (EXCLUSIVE_BEGUN, BEN, SOON, "领取1/2个", "1 of 2 opened"),
    (EXCLUSIVE_DONE, BEN, SOON, "2个红包共6.00元", "2 red packets, 6.00 yuan in all"),
]


@pytest.mark.parametrize(("packet", "user_id", "now_ms", "zh", "en"), SUMMARIES)
def test_rules_4_to_6_summary_of_each_state_and_viewer(
    packet: Known, user_id: int, now_ms: int, zh: str, en: str
) -> None:
    assert result(packet, user_id, now_ms, ZH).summary == zh
    assert result(packet, user_id, now_ms, EN).summary == en


ENDINGS = [
    (LUCKY_BEGUN, ANN, SOON, State.OPEN, "", ""),
    (LUCKY_BEGUN, BEN, SOON, State.OPEN, "", ""),
    (LUCKY_DONE, ANN, LATE, State.FINISHED, "", ""),
    (
        LUCKY_BEGUN,
        ANN,
        LATE,
        State.EXPIRED,
        "该红包已超过24小时，剩余8.77元将退回零钱",
        "More than 24 hours old: the 8.77 yuan left will go back to your balance",
    ),
    (
        LUCKY_BACK,
        ANN,
        LATE,
        State.REFUNDED,
        "该红包已超过24小时，剩余8.77元已退回零钱",
        "More than 24 hours old: the 8.77 yuan left went back to your balance",
    ),
    (
        LUCKY_BEGUN,
        BEN,
        LATE,
        State.EXPIRED,
        "该红包已超过24小时",
        "This red packet is more than 24 hours old",
    ),
    (
        EQUAL_BACK,
        BEN,
        LATE,
        State.REFUNDED,
        "该红包已超过24小时",
        "This red packet is more than 24 hours old",
    ),
]


@pytest.mark.parametrize(("packet", "user_id", "now_ms", "state", "zh", "en"), ENDINGS)
def test_ending_of_each_state_and_viewer(
    packet: Known, user_id: int, now_ms: int, state: State, zh: str, en: str
) -> None:
    pages = [result(packet, user_id, now_ms, language) for language in (ZH, EN)]
    assert [(page.state, page.ending) for page in pages] == [(state, zh), (state, en)]


@pytest.mark.parametrize(
    ("packet", "user_id", "shown"),
    [
        (LUCKY_BEGUN, ANN, True),
        (LUCKY_BEGUN, BEN, True),
        (LUCKY_DONE, DEE, True),
        (LUCKY_BACK, BEN, True),
        (EQUAL_BEGUN, ANN, True),
        (EQUAL_WITHOUT_ANN, ANN, True),
        (EQUAL_BEGUN, BEN, False),
        (EQUAL_DONE, BEN, False),
        (PERSONAL_DONE, ANN, True),
        (PERSONAL_DONE, BEN, False),
    ],
)
def test_rule_7_list_of_claims_is_shown_for_lucky_packets_and_to_every_sender(
    packet: Known, user_id: int, shown: bool
) -> None:
    assert result(packet, user_id).lists_claims is shown


@pytest.mark.parametrize(
    ("packet", "best_index"),
    [
        (LUCKY_DONE, 1),
        (LUCKY_ONE_DONE, 0),
        (LUCKY_BEGUN, NO_CLAIM),
        (known(PacketKind.LUCKY, BEN, CAI), NO_CLAIM),
        (LUCKY_BACK, NO_CLAIM),
        (EQUAL_DONE, NO_CLAIM),
        (PERSONAL_DONE, NO_CLAIM),
    ],
)
def test_rule_8_best_luck_is_marked_on_finished_lucky_packets_only(packet: Known, best_index: int) -> None:
    marks = {ZH: "手气最佳", EN: "Best luck"}
    for language in Language:
        page = result(packet, BEN, LATE, language)
        assert (page.best_index, page.best_mark) == (best_index, "" if best_index == NO_CLAIM else marks[language])


# --- the proof ------------------------------------------------------------------------------------------------

SENDER_AND_OPENER, MEMBER_TOO = (True, True, False), (True, True, True)
PROOFS = [
    (PacketKind.LUCKY, State.OPEN, MEMBER_TOO),  # available when the packet is over; `not_finished` until then
    (PacketKind.LUCKY, State.FINISHED, MEMBER_TOO),
    (PacketKind.LUCKY, State.EXPIRED, MEMBER_TOO),
    (PacketKind.LUCKY, State.REFUNDED, SENDER_AND_OPENER),
    (PacketKind.EQUAL, State.OPEN, SENDER_AND_OPENER),
    (PacketKind.EQUAL, State.FINISHED, SENDER_AND_OPENER),
    (PacketKind.EQUAL, State.EXPIRED, SENDER_AND_OPENER),
    (PacketKind.EQUAL, State.REFUNDED, SENDER_AND_OPENER),
    (PacketKind.PERSONAL, State.OPEN, SENDER_AND_OPENER),
    (PacketKind.PERSONAL, State.FINISHED, SENDER_AND_OPENER),
    (PacketKind.PERSONAL, State.EXPIRED, SENDER_AND_OPENER),
    (PacketKind.PERSONAL, State.REFUNDED, SENDER_AND_OPENER),
    (PacketKind.FISSION, State.OPEN, SENDER_AND_OPENER),
    (PacketKind.FISSION, State.FINISHED, SENDER_AND_OPENER),
    (PacketKind.FISSION, State.EXPIRED, SENDER_AND_OPENER),
    (PacketKind.FISSION, State.REFUNDED, SENDER_AND_OPENER),
]


@pytest.mark.parametrize(("kind", "state", "seen"), PROOFS)
def test_may_see_proof_of_each_kind_and_state_tells_sender_opener_and_member(
    kind: PacketKind, state: State, seen: tuple[bool, bool, bool]
) -> None:
    terms = known(kind).terms
    for is_member in (False, True):  # also a sender or an opener that has left the group
        assert may_see_proof(terms, state, ANN, has_claim=False, may_open=is_member) is seen[0]
        assert may_see_proof(terms, state, CAI, has_claim=True, may_open=is_member) is seen[1]
    assert may_see_proof(terms, state, CAI, has_claim=False, may_open=True) is seen[2]
    assert not may_see_proof(terms, state, CAI, has_claim=False, may_open=False)


def test_proof_of_a_packet_that_friends_pass_on_names_no_other_opener_to_a_friend() -> None:
    fission, lucky = known(PacketKind.FISSION).terms, known(PacketKind.LUCKY).terms
    told = {user_id: [proof_names(fission, user_id, one) for one in (BEN, CAI, DEE)] for user_id in MEMBERS}
    assert told == {ANN: [True] * 3, BEN: [True] * 3, CAI: [False, True, False], DEE: [False, False, True]}
    assert all(proof_names(lucky, DEE, one) for one in (BEN, CAI, DEE))


# --- a packet that friends pass on ------------------------------------------------------------------------------


def test_friends_see_their_own_share_and_the_sender_and_the_first_opener_the_list() -> None:
    begun = known(PacketKind.FISSION, BEN, CAI)
    pages = {user_id: result(begun, user_id) for user_id in (ANN, BEN, CAI)}
    assert {user_id: page.lists_claims for user_id, page in pages.items()} == {ANN: True, BEN: True, CAI: False}
    assert [pages[user_id].summary for user_id in (ANN, BEN, CAI)] == [
        "已领取2/3个,共6.23/10.00元",
        "领取2/3个",
        "领取2/3个",
    ]
    assert tap(begun, EVE) is None
    assert tap(known(PacketKind.FISSION), CAI) is None


def test_page_offers_to_pass_on_what_is_open_and_opened_and_not_too_deep() -> None:
    def offered(packet: Known, user_id: int, now_ms: int = SOON, *, may_pass_on: bool = True) -> str:
        seen_by = viewer(packet, user_id)._replace(may_pass_on=may_pass_on)
        page = result_page(packet, seen_by, now_ms, credited=True)
        assert page is not None
        return page.pass_on

    begun, over = known(PacketKind.FISSION, BEN, CAI), known(PacketKind.FISSION, BEN, CAI, DEE)
    assert [offered(begun, user_id) for user_id in (ANN, BEN, CAI)] == ["", "送给好友", "送给好友"]
    assert offered(begun, CAI, may_pass_on=False) == ""
    assert (offered(over, CAI), offered(begun, CAI, LATE)) == ("", "")


# --- users without a result page, and a complete page -----------------------------------------------------------


@pytest.mark.parametrize(
    ("packet", "user_id", "now_ms"),
    [
        (LUCKY, BEN, SOON),  # may open it, and must do so to see more
        (LUCKY_BEGUN, CAI, SOON),
        (LUCKY_BEGUN, CAI, LATE),
        (EQUAL_DONE, DEE, SOON),
        (PERSONAL, BEN, SOON),
        (PERSONAL_BACK, BEN, LATE),
        (LUCKY_DONE, EVE, SOON),
        (PERSONAL_DONE, CAI, SOON),
        (EXCLUSIVE, BEN, SOON),
        (PASSWORD, BEN, SOON),
        (EXCLUSIVE_DONE, DEE, SOON),
    ],
)
def test_other_users_get_no_result_page(packet: Known, user_id: int, now_ms: int) -> None:
    assert result_page(packet, viewer(packet, user_id), now_ms, credited=True) is None


def test_result_page_has_all_fields() -> None:
    assert result(LUCKY_BEGUN, ANN) == ResultPageView(
        sender_id=ANN,
        greeting=GREETING,
        kind=PacketKind.LUCKY,
        state=State.OPEN,
        amount_fen=0,
        amount="",
        note="",
        summary="已领取1/3个,共1.23/10.00元",
        ending="",
        send_again="继续发送此红包",
        records="",
        lists_claims=True,
        best_index=NO_CLAIM,
        best_mark="",
    )


def test_greeting_is_not_used_as_a_template() -> None:
    page = tap(known(PacketKind.LUCKY, greeting="{total:money} {0.__class__}"), BEN)
    assert page is not None
    assert page.greeting == "{total:money} {0.__class__}"


# --- properties of every packet ---------------------------------------------------------------------------------

VIEWERS = st.sampled_from((*MEMBERS, EVE))
MOMENTS = st.sampled_from([T0, SOON, LATE - 1, LATE, LATE + DAY_MS])


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    """Any kind, opened by some of the users that may open it, perhaps closed."""
    kind = draw(st.sampled_from([kind for kind in PacketKind if kind.row.sent_by is not SentBy.CAMPAIGNS]))
    few = {PacketKind.PERSONAL: 1, PacketKind.ENTERPRISE: 1, PacketKind.EXCLUSIVE: 2}
    shares = few.get(kind) or draw(st.integers(1, 4))
    each_fen = draw(st.integers(700, 19_000))
    terms = known(kind, shares=1).terms._replace(total_fen=each_fen * shares, shares=shares)
    packet = Packet(terms._replace(seed=draw(st.binary(min_size=32, max_size=32))))
    may = draw(st.permutations([user for user in MEMBERS if may_open(terms, user, True)]))
    if kind is PacketKind.FISSION:
        may = [BEN, *draw(st.permutations((CAI, DEE)))]
    for at_ms, user_id in enumerate(may[: draw(st.integers(0, shares))], start=T0):
        assert packet.take(user_id, at_ms).answer is Answer.WON
    if draw(st.booleans()):
        packet.close()
    return packet


def known_of(packet: Packet) -> Known:
    return Known(packet.terms, packet.claims, packet.counter.closed)


def amounts_in(page: msgspec.Struct | None) -> set[str]:
    """Every amount of money in the texts of a page, except in the greeting, which the sender writes."""
    fields = msgspec.structs.asdict(page) if page is not None else {}
    texts = [value for name, value in fields.items() if isinstance(value, str) and name != "greeting"]
    return set(re.findall(r"[\d,]*\d\.\d\d", "\n".join(texts)))


VIEWS = {
    Answer.TICKET: {View.OPEN},
    Answer.CLAIMED: {View.RESULT},
    Answer.GONE: {View.GONE, View.GONE_WITH_LIST},
    Answer.EXPIRED: {View.EXPIRED},
    Answer.WORDS_NEEDED: {View.WORDS},
}


@given(packet=packets(), user_id=VIEWERS, now_ms=MOMENTS)
def test_link_leads_to_a_result_page_and_the_sender_always_has_one(
    packet: Packet, user_id: int, now_ms: int
) -> None:
    seen_by = viewer(known_of(packet), user_id)
    page = open_page(known_of(packet), seen_by, now_ms)
    if page is not None and page.link:
        assert result_page(known_of(packet), seen_by, now_ms, credited=True) is not None
    if user_id == packet.terms.sender_id:
        assert page is not None
        assert page.link or page.view is View.RESULT


@given(packet=packets(), user_id=st.sampled_from(MEMBERS), now_ms=MOMENTS)
def test_open_page_agrees_with_the_answer_of_a_grab(packet: Packet, user_id: int, now_ms: int) -> None:
    seen_by = viewer(known_of(packet), user_id)
    if seen_by.may_open:
        page = open_page(known_of(packet), seen_by, now_ms)
        assert page is not None
        assert page.view in VIEWS[packet.grab(user_id, now_ms, 1, Limits()).answer]


@given(packet=packets(), user_id=VIEWERS, now_ms=MOMENTS, language=st.sampled_from(Language))
def test_users_other_than_the_sender_see_no_amount_but_their_own(
    packet: Packet, user_id: int, now_ms: int, language: Language
) -> None:
    """Of a finished equal or personal packet they also see the total, which follows from their share."""
    terms, facts = packet.terms, known_of(packet)
    seen_by = viewer(facts, user_id, language)
    own = packet.claims.get(user_id)
    allowed = {YUAN.number(own.amount_fen)} if own else set()
    if packet.finished and terms.kind.row.total_is_shown:
        allowed.add(YUAN.number(terms.total_fen))
    if user_id != terms.sender_id:
        assert amounts_in(result_page(facts, seen_by, now_ms, credited=True)) <= allowed
    assert amounts_in(open_page(facts, seen_by, now_ms)) == set()


@given(packet=packets(), user_id=VIEWERS, now_ms=MOMENTS)
def test_best_luck_is_that_of_the_packet_and_users_with_a_claim_see_the_result_page(
    packet: Packet, user_id: int, now_ms: int
) -> None:
    seen_by = viewer(known_of(packet), user_id)
    page = result_page(known_of(packet), seen_by, now_ms, credited=True)
    best = packet.best_luck()
    if page is not None:
        assert page.best_index == (best.index if best else NO_CLAIM)
        assert best is None or (packet.finished and packet.terms.kind.row.has_best_luck)
    if user_id in packet.claims:
        tapped = open_page(known_of(packet), seen_by, now_ms)
        assert tapped is not None
        assert tapped.view is View.RESULT
        assert page is not None


@pytest.mark.parametrize(
    ("kind", "language", "line", "summary"),
    [
        (PacketKind.ENTERPRISE_LUCKY, ZH, "手慢了,红包派完了", "3个红包,3秒被抢光"),
        (PacketKind.ENTERPRISE_LUCKY, EN, "Better luck next time: all gone", "3 red packets, gone in 3 seconds"),
        (PacketKind.ENTERPRISE_EQUAL, ZH, "手慢了,红包派完了", "3个红包共6.00元"),
        (PacketKind.ENTERPRISE_EQUAL, EN, "Better luck next time: all gone", "3 red packets, 6.00 yuan in all"),
    ],
)
def test_sponsors_packet_to_a_group_has_the_pages_of_a_groups_packet(
    kind: PacketKind, language: Language, line: str, summary: str
) -> None:
    done = known(kind, BEN, CAI, DEE, sender_id=900)
    gone = open_page(done, Viewer(ANN, True, True, language, YUAN), SOON)
    assert gone is not None
    assert (gone.line, gone.button, gone.sender_id) == (line, "", 900)
    page = result(done, BEN, language=language)
    assert page.summary == summary
    assert page.lists_claims == (kind is PacketKind.ENTERPRISE_LUCKY)
    assert tap(known(kind, sender_id=900), EVE) is None  # not in the group
