"""The client SDK. It is installed as `hongbao`:

    from hongbao import Client

    async with Client("tcp://127.0.0.1:7788", token) as client:
        sent = await client.send_packet("lucky", group_id, amount_fen=888, shares=8)
        opened = await client.open(sent.packet_id)
        async for push in client.pushes():
            ...

`Client` is one user's connection. The exceptions say what went wrong. `fairness` checks the proof of a packet.
`Client.money` is the unit of the server: it turns amounts into text and back; `yuan` and `fen` do so for yuan.
Replies and pushes are classes of `messages`.
docs/sdk.md is the guide.
"""

from client_sim.sdk import fairness
from client_sim.sdk.client import Client
from client_sim.sdk.errors import (
    BackendDecides,
    BadAmount,
    BadInvite,
    BadLink,
    BadPass,
    BadSeed,
    BadShares,
    BankAway,
    BankDeclined,
    BankUnknown,
    Banned,
    Busy,
    ClientClosed,
    ClientError,
    ConnectionLost,
    ConnectionRefusedForGood,
    Finished,
    Forbidden,
    GroupFull,
    KeyReused,
    KickedOut,
    MalformedToken,
    MalformedUrl,
    NameTaken,
    NoSuchGroup,
    NoSuchUser,
    NotAllowed,
    NotAMember,
    NotEnoughMoney,
    NotFinished,
    NoTicket,
    NotOwner,
    Overloaded,
    RateLimited,
    Refusal,
    StoreUnavailable,
    TimedOut,
)
from client_sim.sdk.kept_seeds import KeptSeeds, Verdict
from client_sim.sdk.methods.campaign_errors import BadBudget, BadCampaign, CampaignOver, NoSuchCampaign, NotASponsor
from client_sim.sdk.methods.card_errors import (
    BadCard,
    CardTaken,
    CodeSpent,
    CodeTooSoon,
    CodeWrong,
    LimitReached,
    NeedsTls,
    PasswordLocked,
    PasswordNeeded,
    PasswordWrong,
)
from client_sim.sdk.methods.enterprise import BadScene
from client_sim.sdk.methods.everyday_errors import (
    AlreadyPosted,
    BadReceivers,
    BadTime,
    BadWords,
    WordsNeeded,
    WordsSpent,
    WordsWrong,
)
from client_sim.sdk.methods.links import TooDeep
from client_sim.sdk.money import fen, yuan
from client_sim.sdk.names import user_id_of
from client_sim.sdk.pushes import MissedChanges, Post, Push, PushQueue, Reloaded
from protocol import messages, tokens

__all__ = [
    "AlreadyPosted",
    "BackendDecides",
    "BadAmount",
    "BadBudget",
    "BadCampaign",
    "BadCard",
    "BadInvite",
    "BadLink",
    "BadPass",
    "BadReceivers",
    "BadScene",
    "BadSeed",
    "BadShares",
    "BadTime",
    "BadWords",
    "BankAway",
    "BankDeclined",
    "BankUnknown",
    "Banned",
    "Busy",
    "CampaignOver",
    "CardTaken",
    "Client",
    "ClientClosed",
    "ClientError",
    "CodeSpent",
    "CodeTooSoon",
    "CodeWrong",
    "ConnectionLost",
    "ConnectionRefusedForGood",
    "Finished",
    "Forbidden",
    "GroupFull",
    "KeptSeeds",
    "KeyReused",
    "KickedOut",
    "LimitReached",
    "MalformedToken",
    "MalformedUrl",
    "MissedChanges",
    "NameTaken",
    "NeedsTls",
    "NoSuchCampaign",
    "NoSuchGroup",
    "NoSuchUser",
    "NoTicket",
    "NotAMember",
    "NotASponsor",
    "NotAllowed",
    "NotEnoughMoney",
    "NotFinished",
    "NotOwner",
    "Overloaded",
    "PasswordLocked",
    "PasswordNeeded",
    "PasswordWrong",
    "Post",
    "Push",
    "PushQueue",
    "RateLimited",
    "Refusal",
    "Reloaded",
    "StoreUnavailable",
    "TimedOut",
    "TooDeep",
    "Verdict",
    "WordsNeeded",
    "WordsSpent",
    "WordsWrong",
    "fairness",
    "fen",
    "messages",
    "tokens",
    "user_id_of",
    "yuan",
]
