"""The HTTP API of a server: whether it is on, what it is made of, and how it starts, reloads and ends.

aiohttp is imported when the API opens: that takes half a second and 10 MB, and most servers do not need it.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import structlog

from protocol.money_unit import MoneyUnit
from server.clock import Clock
from server.config import Config
from server.core.signed_requests import Verifier
from server.http_api.address import check_address
from server.net.addresses import cannot_listen, host_and_port, shown
from server.services.assembly import Services

if TYPE_CHECKING:
    from server.http_api.handlers.pages import PageRequests
    from server.http_api.handlers.users import UserRequests
    from server.http_api.listener import HttpListener
    from server.http_api.serving import Serving
    from server.http_api.web.app import WebApp
    from server.net.websocket import WebSocketAddress

LOG = structlog.get_logger()


class HttpApi:
    """The HTTP API. It is off unless it has an address and keys."""

    def __init__(
        self,
        config: Config,
        services: Services,
        keys: Mapping[str, bytes],
        tls: ssl.SSLContext | None,
        clock: Clock,
        admit: Callable[[int, float], float],
        money: MoneyUnit,
    ) -> None:
        """`admit` takes a token of a user's bucket (see net/hub.py). Raises ConfigError."""
        check_address(config)
        self._config = config
        self._services = services
        self._keys = keys
        self._tls = None if config.http_api.behind_proxy else tls
        self._clock = clock
        self._admit = admit
        self._money = money
        self._verifier = Verifier(keys)
        self._users: UserRequests | None = None
        self._pages: PageRequests | None = None
        self._serving: Serving | None = None
        self._listener: HttpListener | None = None
        self._web: WebApp | None = None
        self.url = ""  # while it is open

    async def open(self, most: int, held: socket.socket | None = None) -> None:
        """Listen, if the API is on, on the socket `held` if it is given; `most` connections. Raises OSError."""
        address = self._config.http_api.address
        if not address:
            return
        if not self._keys:
            LOG.warning(
                "http_api_is_off", address=address, advice="make a key: hongbao key new --api; then restart"
            )
            return
        from server.http_api.listener import HttpListener

        host, port = host_and_port(address)
        self._serving = self._make_serving()
        listener = HttpListener(self._serving, self._tls, most, self._config.http_api.proxy_protocol)
        try:
            port = await listener.open(host, port, held)
        except OSError as error:
            raise cannot_listen(host, port, error, "http_api.address") from error
        self._listener = listener
        self.url = f"{'http' if self._tls is None else 'https'}://{shown(host, port)}"
        self._apply_to_handlers(self._config)
        LOG.info("http_api_serves", url=self.url, keys=len(self._keys))

    def serve_web(self, websocket: WebSocketAddress | None) -> None:
        """Serve the app for browsers, if it is on. `websocket`: where this server listens for it, if it does: the
        app may connect there. Raises OSError if the built app is missing.
        """
        if not self._config.web.enabled:
            return
        url = self._config.web.websocket_url or ("" if websocket is None else websocket.url)
        if self._serving is None or not url:
            missing = "websocket.listen or web.websocket_url" if self._serving else "http_api.address and a key"
            LOG.warning("web_app_is_off", advice=f"set {missing}; then restart")
            return
        from server.http_api.web.app import WebApp

        self._web = self._serving.web = WebApp(self._services, self._clock.now_ms, url, self._config.web.card_hint)
        self._apply_to_handlers(self._config)
        if websocket is not None:
            websocket.rules.origins = (*websocket.rules.origins, *self.web_origins)
        LOG.info("web_app_serves", url=f"{self.url}/app/", websocket=url)

    @property
    def web_origins(self) -> tuple[str, ...]:
        """The origins of the app for browsers, which may connect to this server."""
        return (self.url,) if self._web is not None else ()

    def _make_serving(self) -> Serving:
        from server.http_api.handlers.call import Gate
        from server.http_api.handlers.campaigns import CampaignRequests
        from server.http_api.handlers.cards import CardRequests
        from server.http_api.handlers.groups import GroupRequests
        from server.http_api.handlers.packets import PacketRequests
        from server.http_api.handlers.pages import PageRequests
        from server.http_api.handlers.records import RecordRequests
        from server.http_api.handlers.sponsors import SponsorRequests
        from server.http_api.handlers.users import UserRequests
        from server.http_api.handlers.wallets import WalletRequests
        from server.http_api.handlers.webhooks import WebhookRequests
        from server.http_api.notices import NoticeRequests
        from server.http_api.serving import Serving

        services, clock = self._services, self._clock
        gate = Gate(services.changes, lambda user_id: self._admit(user_id, clock.elapsed_s()))
        self._users = UserRequests(services, gate, clock, self._config.auth.token_lifetime_s)
        self._pages = PageRequests(services, gate, clock.now_ms, self._money)
        handlers = (
            self._users,
            self._pages,
            GroupRequests(services, gate),
            PacketRequests(services, gate, clock.now_ms),
            WalletRequests(services),
            CardRequests(services),
            CampaignRequests(services, gate),
            RecordRequests(services),
            SponsorRequests(services, gate),
            WebhookRequests(services),
        )
        by_type = {type(one): one for one in handlers}
        notices = NoticeRequests(services.payments)
        return Serving(by_type, self._verifier, services.nonces, services.login.key, clock, self._money, notices)

    def apply(self, config: Config, keys: Mapping[str, bytes], tls: ssl.SSLContext | None) -> None:
        """Other keys, other lifetimes of tokens and links, and another certificate from now on."""
        self._keys = keys
        self._verifier.use(keys)
        self._apply_to_handlers(config)
        if self._listener is not None:
            self._listener.use(tls)
        elif config.http_api.address and keys:
            LOG.warning("http_api_is_off", address=config.http_api.address, advice="restart the server")

    def _apply_to_handlers(self, config: Config) -> None:
        if self._users is not None:
            self._users.token_lifetime_s = config.auth.token_lifetime_s
        if self._web is not None:
            self._web.token_lifetime_s = config.auth.token_lifetime_s
        if self._pages is not None:
            self._pages.url = config.http_api.page_url or self.url
            self._pages.link_lifetime_s = config.http_api.page_link_s

    def drain(self) -> None:
        """Refuse requests from now on."""
        if self._serving is not None and self._listener is not None:
            self._serving.draining = True
            self._listener.stop_accepting()

    async def close(self) -> None:
        """Close all connections."""
        if self._listener is not None:
            await self._listener.close()

    @property
    def under_way(self) -> int:
        """Requests in flight."""
        return 0 if self._serving is None else self._serving.under_way

    @property
    def requests(self) -> dict[str, dict[str, int]]:
        """How many requests were answered, by route and status."""
        return {} if self._serving is None else {name: dict(by) for name, by in self._serving.requests.items()}
