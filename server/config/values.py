"""The values of the config as types: one struct per section."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Literal

import msgspec

from server.core.limits import Limits


class ConfigError(Exception):
    """The config cannot be used; the message is one line: source, key, and what the value must be."""


def in_words(error: Exception) -> str:
    """Why a file cannot be used, without the number of an error."""
    words = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
    return f"{words}; it must be readable for this user" if isinstance(error, PermissionError) else words


class WrongOption(ConfigError):
    """A value of the command line breaks the rule of its key."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section of the file. Each key of each section has a row in `table.KEYS`."""


class ServerSection(Section, frozen=True):
    """The address to listen on, the number of this process, and TLS."""

    host: str = "127.0.0.1"
    port: int = 7788
    node: int = 0
    workers: int | Literal["auto"] = 1
    owners: int | Literal["auto"] = "auto"
    tls_certificate: str = ""
    tls_key: str = ""
    proxy_protocol: tuple[str, ...] = ()


class WebsocketSection(Section, frozen=True):
    """The address for clients that speak WebSocket, and which upgrades are accepted."""

    listen: str = ""
    origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    proxy_protocol: tuple[str, ...] = ()
    tls: bool = True


class PeersSection(Section, frozen=True):
    """Where servers on other machines reach this one; empty `listen`: nowhere."""

    listen: str = ""
    advertise: str = ""
    tls: bool = True


class StoresSection(Section, frozen=True):
    """The addresses of the stores, and the store after which `won` is sent."""

    postgres: str = ""
    postgres_sets: tuple[str, ...] = ()
    postgres_new_users: tuple[int, ...] = ()
    redis: str = ""
    durability: Literal["postgres", "redis"] = "postgres"
    postgres_pool_max: int = 8


class ChatSection(Section, frozen=True):
    """What users decide by themselves."""

    self_service: bool = True
    texts: bool = True


class MoneySection(Section, frozen=True):
    """The unit that people read: its names in Chinese and English, its symbol, and the digits after the point."""

    unit: str = "元/yuan"
    symbol: str = "¥"
    decimals: int = 2


class AuthSection(Section, frozen=True):
    """The keys that sign and verify login tokens, and the lifetime of a token."""

    keys: dict[str, str] = {}
    token_lifetime_s: float = 30 * 86_400.0
    v1_tokens_until: str = ""

    @property
    def v1_tokens_end_ms(self) -> float:
        """From this time on tokens of version 1 are refused; infinite: never."""
        if not self.v1_tokens_until:
            return math.inf
        return datetime.fromisoformat(self.v1_tokens_until).replace(tzinfo=UTC).timestamp() * 1000


class SeedsSection(Section, frozen=True):
    """The keys that seal the secrets of seeds in the database."""

    key_file: str = ""


class SettlementSection(Section, frozen=True):
    """How claims are credited to wallets."""

    batch_max: int = 2_000
    idle_s: float = 1.0


class RefundsSection(Section, frozen=True):
    """How expired packets are refunded."""

    interval_s: float = 1.0
    batch_max: int = 200


class CampaignsSection(Section, frozen=True):
    """How many shares of a campaign are left is told in steps, and what a shake is answered with on overload."""

    count_step: int = 500_000
    ask_every: int = 5
    on_overload: Literal["rest", "nothing"] = "rest"
    rest_ms: int = 1_500


class LogSection(Section, frozen=True):
    """The level and the format of the log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


class OpsSection(Section, frozen=True):
    """The status socket and the HTTP port for operators."""

    socket: str = ""
    socket_mode: str = "0600"
    change_uids: tuple[int, ...] = ()
    tcp: str = ""
    http: str = "127.0.0.1:7789"
    http_names: tuple[str, ...] = ()
    ready_backlog_s: float = 60.0


class HttpApiSection(Section, frozen=True):
    """The HTTP API of chat backends, and its keys."""

    address: str = ""
    behind_proxy: bool = False
    proxy_protocol: tuple[str, ...] = ()
    keys: dict[str, str] = {}
    page_url: str = ""
    page_link_s: int = 600


class WebSection(Section, frozen=True):
    """The app for browsers, which the HTTP API serves below /app/."""

    enabled: bool = False
    websocket_url: str = ""
    card_hint: str = ""
    replay_names: bool = False


class WebhooksSection(Section, frozen=True):
    """Where webhooks may go besides public addresses, and how long their events are kept."""

    allow_private: tuple[str, ...] = ()
    keep_days: int = 7


class NatsSection(Section, frozen=True):
    """NATS, for events to other services and, if wanted, for pushes between servers; empty `url`: none."""

    url: str = ""
    subject: str = "hongbao"
    pushes: bool = False


class HostWalletSection(Section, frozen=True):
    """The chat backend's own wallet, where users keep their money; empty `url`: they keep it in hongbao."""

    url: str = ""
    keys: dict[str, str] = {}
    timeout_s: float = 5.0
    allow_private: tuple[str, ...] = ()


class BankSection(Section, frozen=True):
    """A bank that takes money from cards and puts money on them; empty `url`: there is none."""

    url: str = ""
    merchant: str = ""
    keys: dict[str, str] = {}
    bank_keys: dict[str, str] = {}
    timeout_s: float = 5.0
    allow_private: tuple[str, ...] = ()


class ManualSection(Section, frozen=True):
    """Payments that an operator confirms or declines."""

    enabled: bool = False


class PaymentsSection(Section, frozen=True):
    """Who needs the pay password, and how much a user may pay in a day."""

    wallet_password: Literal["card", "always", "never"] = "card"
    day_limit_fen: int = 5_000_000


class EnterpriseSection(Section, frozen=True):
    """Packets that the chat backend sends in a sponsor's name."""

    fen_min: int = 100
    fen_max: int = 20_000
    scenes: tuple[str, ...] = ()
    scene_fen_max: int = 100_000
    event_fen_min: int = 200
    user_packets_a_day: int = 10
    user_fen_a_day: int = 0
    group_packets_a_day: int = 10
    group_fen_a_day: int = 0


class RiskSection(Section, frozen=True):
    """Rules about users who may be programs, rings or thieves, and whether they change anything."""

    mode: Literal["off", "shadow", "on"] = "off"
    rules: str = ""
    interval_s: float = 2.0
    keep_days: int = 400


class OfficeSection(Section, frozen=True):
    """The back office for people, in a browser."""

    enabled: bool = False
    listen: str = "127.0.0.1:7794"
    behind_proxy: bool = False


class OidcSection(Section, frozen=True):
    """A provider of OpenID Connect at which operators of the back office log in."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    office_url: str = ""
    scopes: tuple[str, ...] = ("openid", "profile")
    name_claim: str = "preferred_username"
    role_claim: str = "groups"
    roles: dict[str, str] = {}
    allow_private: tuple[str, ...] = ()


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings. `load` returns a checked one."""

    server: ServerSection = ServerSection()
    websocket: WebsocketSection = WebsocketSection()
    peers: PeersSection = PeersSection()
    office: OfficeSection = OfficeSection()
    oidc: OidcSection = OidcSection()
    stores: StoresSection = StoresSection()
    limits: Limits = msgspec.field(default_factory=Limits)
    chat: ChatSection = ChatSection()
    money: MoneySection = MoneySection()
    auth: AuthSection = AuthSection()
    seeds: SeedsSection = SeedsSection()
    settlement: SettlementSection = SettlementSection()
    refunds: RefundsSection = RefundsSection()
    campaigns: CampaignsSection = CampaignsSection()
    log: LogSection = LogSection()
    ops: OpsSection = OpsSection()
    http_api: HttpApiSection = HttpApiSection()
    web: WebSection = WebSection()
    webhooks: WebhooksSection = WebhooksSection()
    nats: NatsSection = NatsSection()
    host_wallet: HostWalletSection = HostWalletSection()
    bank: BankSection = BankSection()
    manual: ManualSection = ManualSection()
    payments: PaymentsSection = PaymentsSection()
    enterprise: EnterpriseSection = EnterpriseSection()
    risk: RiskSection = RiskSection()
