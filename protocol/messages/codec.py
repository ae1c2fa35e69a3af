"""The tables of all messages, and the codec: bytes to messages and back."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from protocol.messages import (
    campaigns,
    cards,
    chat,
    connection,
    enterprise,
    everyday,
    links,
    money,
    packets,
    pages,
    people,
    reminders,
)
from protocol.messages.base import Message, Seq

REQUESTS: Final[dict[type[Message], type[Message]]] = {
    connection.Ping: connection.Pong,
    connection.Login: connection.Welcome,
    chat.CreateGroup: chat.GroupCreated,
    chat.JoinGroup: chat.GroupJoined,
    chat.LeaveGroup: chat.GroupLeft,
    chat.ListMembers: chat.Members,
    chat.Say: chat.Said,
    chat.CatchUp: chat.CaughtUp,
    packets.SendPacket: packets.PacketSent,
    packets.Grab: packets.Grabbed,
    packets.Open: packets.Opened,
    packets.Reveal: packets.Revealed,
    pages.OpenPage: pages.OpenPageShown,
    pages.ResultPage: pages.ResultPageShown,
    pages.StopWatching: pages.WatchingStopped,
    pages.Records: pages.RecordsShown,
    links.PassOn: links.PassedOn,
    links.TapLink: links.LinkTapped,
    packets.SendAgain: packets.SentAgain,
    chat.Kick: chat.Kicked,
    chat.GrabStats: chat.GrabStatsShown,
    chat.SetName: chat.NameSet,
    chat.GetNames: chat.Names,
    money.GetBalance: money.Balance,
    money.TopUp: money.ToppedUp,
    money.Withdraw: money.Withdrawn,
    money.GetEntries: money.Entries,
    money.GetStatement: money.StatementPage,
    chat.GetInvite: chat.Invite,
    chat.OpenChat: chat.ChatOpened,
    chat.ShowPass: chat.PassShown,
    packets.GetSeedTrees: packets.SeedTrees,
    cards.BindCard: cards.CardOffered,
    cards.ConfirmCard: cards.CardBound,
    cards.SendCodeAgain: cards.CodeSentAgain,
    cards.GetCards: cards.Cards,
    cards.UnbindCard: cards.CardUnbound,
    cards.SetPassword: cards.PasswordSet,
    cards.AskPasswordReset: cards.ResetCodeSent,
    cards.ResetPassword: cards.PasswordReset,
    cards.TopUpByCard: cards.ToppedUpByCard,
    cards.WithdrawToCard: cards.WithdrawnToCard,
    cards.Transfer: cards.Transferred,
    cards.Pay: cards.Paid,
    cards.RefundToCard: cards.RefundedToCard,
    cards.ForgetUser: cards.UserForgotten,
    campaigns.Shake: campaigns.Shaken,
    campaigns.CampaignInfo: campaigns.CampaignShown,
    campaigns.ListCampaigns: campaigns.Campaigns,
    campaigns.PutSponsor: campaigns.SponsorPut,
    campaigns.CreateCampaign: campaigns.CampaignCreated,
    campaigns.ChangeCampaign: campaigns.CampaignChanged,
    campaigns.CampaignReport: campaigns.CampaignReportShown,
    enterprise.SendBill: enterprise.BillSent,
    enterprise.GetBill: enterprise.BillFound,
    enterprise.ReportEvent: enterprise.EventReported,
    enterprise.SetEventRange: enterprise.EventRangeSet,
    enterprise.SendGroupBill: enterprise.GroupBillSent,
    enterprise.ListBills: enterprise.Bills,
    everyday.SayWords: everyday.WordsSaid,
    everyday.GetScheduled: everyday.ScheduledPackets,
    everyday.CancelScheduled: everyday.ScheduledCancelled,
    everyday.SetRelay: everyday.RelaySet,
    everyday.GetRelay: everyday.RelayShown,
    people.PutUsers: people.UsersPut,
    people.BanUser: people.UserBanned,
    people.RevokeTokens: people.TokensRevoked,
    people.PutGroup: people.GroupPut,
    people.DeleteGroup: people.GroupDeleted,
    people.SyncMembers: people.MembersSynced,
    people.ChangeMembers: people.MembersChanged,
    people.PutChat: people.ChatPut,
}
PUSHES: Final[tuple[type[Message], ...]] = (
    chat.TextPosted,
    chat.PacketPosted,
    packets.ClaimNotice,
    packets.PacketFinished,
    packets.PacketRefunded,
    money.BalanceChanged,
    pages.ResultUpdate,
    chat.RemovedFromGroup,
    chat.AddedToGroup,
    reminders.ClaimsReminder,
    reminders.FinishReminder,
    reminders.RefundReminder,
    everyday.RelayPosted,
)
FROM_CLIENT: Final[tuple[type[Message], ...]] = (*REQUESTS, connection.Pong)
FROM_SERVER: Final[tuple[type[Message], ...]] = (
    *(connection.Hello, connection.Goodbye, connection.Ping),
    *REQUESTS.values(),
    *PUSHES,
    connection.Refused,
)


def kind_of(message: type[Message]) -> int:
    """The number that a message of this class begins with."""
    tag = message.__struct_config__.tag
    assert isinstance(tag, int)
    return tag


KINDS_FROM_CLIENT: Final = frozenset(map(kind_of, FROM_CLIENT))
KINDS_FROM_SERVER: Final = frozenset(map(kind_of, FROM_SERVER))

_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode


def _decoder(classes: tuple[type[Message], ...]) -> msgspec.msgpack.Decoder[Any]:
    union: Any = classes[0]
    for one in classes[1:]:
        union = union | one
    return msgspec.msgpack.Decoder(union)


class Envelope(msgspec.Struct, array_like=True, gc=False):
    """What every message begins with. What follows is skipped, not built."""

    kind: int
    seq: Seq


_envelope_decoder = msgspec.msgpack.Decoder(Envelope)


def decode_envelope(payload: bytes) -> tuple[int, int]:
    """The kind and seq of any message, known or not. Raises msgspec.DecodeError, RecursionError."""
    envelope = _envelope_decoder.decode(payload)
    return envelope.kind, envelope.seq


CLASSES_FROM_CLIENT: Final = {kind_of(one): one for one in FROM_CLIENT}
_PLACE: Final = re.compile(r"(.*) - at `\$\[(\d+)\](.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Expected `array` of at least length \d+, got (\d+)")


def naming_field(kind: int, why: str) -> str:
    """Why a request of a known kind cannot be decoded: first the field, in the place of its number in the array."""
    names = ("kind", *CLASSES_FROM_CLIENT[kind].__struct_fields__)
    if (missing := _MISSING.fullmatch(why)) and int(missing[1]) < len(names):
        return f"{names[int(missing[1])]}: it is missing"
    if (placed := _PLACE.fullmatch(why)) and int(placed[2]) < len(names):
        return f"{names[int(placed[2])]}{placed[3]}: {placed[1][:1].lower()}{placed[1][1:]}"
    return why


decode_from_client = _decoder(FROM_CLIENT).decode
decode_from_server = _decoder(FROM_SERVER).decode
