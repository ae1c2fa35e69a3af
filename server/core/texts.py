"""Every sentence that a page shows, one table per language, and how amounts, numbers and times are spoken in it.

    say(Language.EN, Text.PARTLY, {"opened": 3, "shares": 5}, money)   # 3 of 5 opened

A placeholder is a number with a way to speak it: `{total:money}` takes an amount and speaks it with its unit,
`{claimed:number}` without, `{took:time}` takes milliseconds, and `{shares:red packet|red packets}` sets the noun
after the number. No text has a name in it: clients know names.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from string import Formatter
from typing import Final, Protocol


class Language(StrEnum):
    """The languages a viewer may ask for."""

    ZH = "zh"
    EN = "en"


class MoneyWords(Protocol):
    """How amounts are spoken: protocol.money_unit.MoneyUnit, which the rules do not import."""

    def number(self, amount_fen: int, /) -> str: ...
    def full(self, language: str, amount_fen: int, /) -> str: ...
    @property
    def smallest(self) -> str: ...
    @property
    def is_cash(self) -> bool: ...


class Text(StrEnum):
    """What can be said. The value is the text's name in a test's report, nothing more."""

    OPEN = "open"
    GONE = "gone"
    SEE_LUCK = "see_luck"
    SEE_OPENERS = "see_openers"
    EXPIRED = "expired"
    AMOUNT = "amount"
    ARRIVING = "arriving"
    USE_TO_SEND = "use_to_send"
    USE_TO_BUY = "use_to_buy"
    USE_TO_TRANSFER = "use_to_transfer"
    USE_TO_WITHDRAW = "use_to_withdraw"
    SEND_AGAIN = "send_again"
    RECORDS = "records"
    FINISHED_LUCKY_MINE = "finished_lucky_mine"
    FINISHED_LUCKY = "finished_lucky"
    FINISHED = "finished"
    PARTLY_MINE = "partly_mine"
    PARTLY = "partly"
    WAITING = "waiting"
    UNOPENED = "unopened"
    RETURNING = "returning"
    RETURNED = "returned"
    BEST_LUCK = "best_luck"
    REMIND_CLAIMS = "remind_claims"
    REMIND_FINISH = "remind_finish"
    REMIND_REFUND = "remind_refund"
    REMIND_CANCEL = "remind_cancel"
    REMIND_RELAY = "remind_relay"
    TURN = "turn"
    MY_TURN = "my_turn"
    JUST_NOW = "just_now"
    AGO = "ago"
    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    NAMELESS = "nameless"
    SEND = "send"
    PASS_ON = "pass_on"
    PASSED_ON = "passed_on"
    LINK_IS_OVER = "link_is_over"
    NOT_FOR_YOU = "not_for_you"
    TRY_AGAIN = "try_again"
    SHAKE_NOTHING = "shake_nothing"
    SHAKE_WON = "shake_won"
    SHAKE_REST = "shake_rest"
    SHAKE_ENDED = "shake_ended"
    SHAKE_LIMIT = "shake_limit"
    FOR_OTHERS = "for_others"
    NEW_KIND = "new_kind"
    SAY_WORDS = "say_words"
    SAY = "say"
    WORDS_WRONG = "words_wrong"
    WORDS_SPENT = "words_spent"
    BAD_WORDS = "bad_words"


# Sentences that the product fixes literally have its half-width comma, all others a full-width one.
_ZH: Final = {
    Text.OPEN: "拆",
    Text.GONE: "手慢了,红包派完了",
    Text.SEE_LUCK: "看看大家的手气",
    Text.SEE_OPENERS: "查看领取详情",
    Text.EXPIRED: "该红包已超过{lifetime:time}",
    Text.AMOUNT: "{amount:money}",
    Text.ARRIVING: "正在存入零钱",
    Text.USE_TO_SEND: "已存入零钱,可用于发红包",
    Text.USE_TO_BUY: "已存入零钱,可用于消费",
    Text.USE_TO_TRANSFER: "已存入零钱,可用于转账",
    Text.USE_TO_WITHDRAW: "已存入零钱,可用于提现",
    Text.SEND_AGAIN: "继续发送此红包",
    Text.RECORDS: "查看我的红包记录",
    Text.FINISHED_LUCKY_MINE: "{shares}个红包共{total:money},{took:time}被抢光",
    Text.FINISHED_LUCKY: "{shares}个红包,{took:time}被抢光",
    Text.FINISHED: "{shares}个红包共{total:money}",
    Text.PARTLY_MINE: "已领取{opened}/{shares}个,共{claimed:number}/{total:money}",
    Text.PARTLY: "领取{opened}/{shares}个",
    Text.WAITING: "红包金额{total:money},等待对方领取",
    Text.UNOPENED: "红包金额{total:money}，未被领取",
    Text.RETURNING: "该红包已超过{lifetime:time}，剩余{left:money}将退回零钱",
    Text.RETURNED: "该红包已超过{lifetime:time}，剩余{left:money}已退回零钱",
    Text.BEST_LUCK: "手气最佳",
    Text.REMIND_CLAIMS: "你的红包被领取了{opened}个，共{claimed:money}",
    Text.REMIND_FINISH: "{shares}个红包，{took:time}被抢光",
    Text.REMIND_REFUND: "红包已过期，{left:money}已退回零钱",
    Text.REMIND_CANCEL: "定时红包已取消，{left:money}已退回零钱",
    Text.REMIND_RELAY: "红包接龙：轮到手气最佳的用户{n}发下一个红包，{amount:money}",
    Text.TURN: "接龙：轮到手气最佳发下一个红包，{amount:money}",
    Text.MY_TURN: "接龙：轮到你发下一个红包，{amount:money}",
    Text.JUST_NOW: "刚刚",
    Text.AGO: "{n:time}前",
    Text.SECONDS: "{n}秒",
    Text.MINUTES: "{n}分钟",
    Text.HOURS: "{n}小时",
    Text.DAYS: "{n}天",
    Text.NAMELESS: "用户{n}",
    Text.SEND: "发红包",
    Text.PASS_ON: "送给好友",
    Text.PASSED_ON: "送你一个红包，点开就能领",
    Text.LINK_IS_OVER: "链接已失效，请回到聊天重新打开红包",
    Text.NOT_FOR_YOU: "你不能打开这个红包",
    Text.TRY_AGAIN: "暂时没有结果，请稍后再试",
    Text.SHAKE_NOTHING: "没有摇到，再摇一次",
    Text.SHAKE_WON: "恭喜，摇到了一个红包",
    Text.SHAKE_REST: "休息一下，马上再摇",
    Text.SHAKE_ENDED: "红包摇完了，下次再来",
    Text.SHAKE_LIMIT: "本次活动的红包已领完",
    Text.FOR_OTHERS: "这是专属红包，只有指定的{shares}个人可以领取",
    Text.NEW_KIND: "[红包] 当前版本无法显示，请升级后查看",
    Text.SAY_WORDS: "在聊天里说出口令，就能拆红包",
    Text.SAY: "说出口令",
    Text.WORDS_WRONG: "口令不对，还可以试{left}次",
    Text.WORDS_SPENT: "试错太多次，不能再试了",
    Text.BAD_WORDS: "口令只有一行，没有这么长",
}

_EN: Final = {
    Text.OPEN: "Open",
    Text.GONE: "Better luck next time: all gone",
    Text.SEE_LUCK: "See how lucky everybody was",
    Text.SEE_OPENERS: "See who opened it",
    Text.EXPIRED: "This red packet is more than {lifetime:time} old",
    Text.AMOUNT: "{amount:money}",
    Text.ARRIVING: "Arriving in your balance",
    Text.USE_TO_SEND: "In your balance now: send a red packet with it",
    Text.USE_TO_BUY: "In your balance now: buy something with it",
    Text.USE_TO_TRANSFER: "In your balance now: transfer it",
    Text.USE_TO_WITHDRAW: "In your balance now: withdraw it to your bank",
    Text.SEND_AGAIN: "Send this red packet again",
    Text.RECORDS: "See my red packets",
    Text.FINISHED_LUCKY_MINE: "{shares:red packet|red packets}, {total:money} in all, gone in {took:time}",
    Text.FINISHED_LUCKY: "{shares:red packet|red packets}, gone in {took:time}",
    Text.FINISHED: "{shares:red packet|red packets}, {total:money} in all",
    Text.PARTLY_MINE: "{opened} of {shares} opened, {claimed:number} of {total:money}",
    Text.PARTLY: "{opened} of {shares} opened",
    Text.WAITING: "{total:money}, waiting to be opened",
    Text.UNOPENED: "{total:money}, not opened",
    Text.RETURNING: "More than {lifetime:time} old: the {left:money} left will go back to your balance",
    Text.RETURNED: "More than {lifetime:time} old: the {left:money} left went back to your balance",
    Text.BEST_LUCK: "Best luck",
    Text.REMIND_CLAIMS: "{opened:share|shares} of your red packet opened, {claimed:money} in all",
    Text.REMIND_FINISH: "{shares:red packet|red packets}, gone in {took:time}",
    Text.REMIND_REFUND: "Your red packet has expired: {left:money} went back to your balance",
    Text.REMIND_CANCEL: "Your red packet was cancelled: {left:money} went back to your balance",
    Text.REMIND_RELAY: "Best luck sends on: user {n} is to send the next red packet, {amount:money}",
    Text.TURN: "Best luck sends on: the next red packet is to be {amount:money}",
    Text.MY_TURN: "Your turn: send the next red packet, {amount:money}",
    Text.JUST_NOW: "just now",
    Text.AGO: "{n:time} ago",
    Text.SECONDS: "{n:second|seconds}",
    Text.MINUTES: "{n:minute|minutes}",
    Text.HOURS: "{n:hour|hours}",
    Text.DAYS: "{n:day|days}",
    Text.NAMELESS: "user {n}",
    Text.SEND: "Send a red packet",
    Text.PASS_ON: "Pass it on to a friend",
    Text.PASSED_ON: "A red packet for you: open the link to get a share",
    Text.LINK_IS_OVER: "This link is no longer valid: open the red packet in the chat again",
    Text.NOT_FOR_YOU: "You cannot open this red packet",
    Text.TRY_AGAIN: "No answer yet: try again in a moment",
    Text.SHAKE_NOTHING: "Nothing this time: shake again",
    Text.SHAKE_WON: "You have won a red packet",
    Text.SHAKE_REST: "Have a rest, then shake again",
    Text.SHAKE_ENDED: "All red packets are gone",
    Text.SHAKE_LIMIT: "You have won all that you may win here",
    Text.FOR_OTHERS: "Only for {shares:other person|other people}",
    Text.NEW_KIND: "[Red packet] This version cannot show it: update the app to see it",
    Text.SAY_WORDS: "Say its words in the chat to open it",
    Text.SAY: "Say the words",
    Text.WORDS_WRONG: "Those are not the words: {left:attempt|attempts} left",
    Text.WORDS_SPENT: "Too many wrong words: no more attempts",
    Text.BAD_WORDS: "Words are on one line, and not so long",
}

TEXTS: Final = {Language.ZH: _ZH, Language.EN: _EN}


def say(language: Language, text: Text, figures: Mapping[str, int], money: MoneyWords) -> str:
    """The text with its figures: amounts in fen, times in milliseconds. Those it does not name are left out."""
    return _Speaker(language, money).vformat(TEXTS[language][text], (), figures)


def spoken(language: Language, time_ms: int) -> str:
    """A time as a person says it: seconds below a minute, minutes below an hour, hours below two days, then days;
    at least one second.

    Rounded to the nearest unit, halves up: 119 s is two minutes, not one.
    """
    seconds = max(1, (time_ms + 500) // 1000)
    minutes = (seconds + 30) // 60
    if seconds < 60:
        return plain(language, Text.SECONDS, {"n": seconds})
    if minutes < 60:
        return plain(language, Text.MINUTES, {"n": minutes})
    hours = (minutes + 30) // 60
    if hours < 48:
        return plain(language, Text.HOURS, {"n": hours})
    return plain(language, Text.DAYS, {"n": (hours + 12) // 24})


def ago(language: Language, since_ms: int) -> str:
    """How long ago something was, as a person says it; a clock that was set back makes nothing lie ahead."""
    if since_ms < 60_000:
        return plain(language, Text.JUST_NOW, {})
    return plain(language, Text.AGO, {"n": since_ms})


def plain(language: Language, text: Text, figures: Mapping[str, int]) -> str:
    """A text without amounts."""
    return _Speaker(language, None).vformat(TEXTS[language][text], (), figures)


class _Speaker(Formatter):
    """Knows the ways to speak a number that stand after the colon of a placeholder."""

    def __init__(self, language: Language, money: MoneyWords | None) -> None:
        self._language = language
        self._money = money

    def format_field(self, value: int, way: str) -> str:
        if way in ("money", "number"):
            assert self._money is not None
            return self._money.full(self._language, value) if way == "money" else self._money.number(value)
        if way == "time":
            return spoken(self._language, value)
        if "|" in way:
            return f"{value} {way.split('|')[value != 1]}"
        return str(value)
