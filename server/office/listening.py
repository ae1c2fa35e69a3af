"""The back office of a server: whether it is on, where it listens, how it starts, reloads and ends."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from protocol.money_unit import MoneyUnit
from server.clock import Clock
from server.config import Config, ConfigError
from server.net.addresses import cannot_listen, host_and_port, is_loopback, shown
from server.services.office.assembly import OfficeServices

if TYPE_CHECKING:
    from server.http_api.listener import HttpListener

LOG = structlog.get_logger()


class Office:
    """Off unless the config says otherwise. aiohttp and the pages are imported when it opens."""

    def __init__(
        self, config: Config, services: OfficeServices, tls: ssl.SSLContext | None, clock: Clock, money: MoneyUnit
    ) -> None:
        """Raises ConfigError."""
        check_office(config)
        check_sign_on(config)
        self._config = config.office
        self.services = services
        self._tls = None if config.office.behind_proxy else tls
        self._clock, self._money = clock, money
        self._listener: HttpListener | None = None
        self.url = ""  # while it is open

    async def open(self, most: int, held: socket.socket | None = None) -> None:
        """Listen, if it is on, on the socket `held` if it is given; `most` connections. Raises OSError."""
        if not self._config.enabled:
            return
        from server.http_api.listener import HttpListener
        from server.office.serving import OfficeServing

        is_secure = self._tls is not None or self._config.behind_proxy
        serving = OfficeServing(self.services, self._clock, self._money, is_secure=is_secure)
        host, port = host_and_port(self._config.listen)
        listener = HttpListener(serving, self._tls, most)
        try:
            port = await listener.open(host, port, held)
        except OSError as error:
            raise cannot_listen(host, port, error, "office.listen") from error
        self._listener = listener
        self.url = f"{'http' if self._tls is None else 'https'}://{shown(host, port)}/"
        LOG.info("office_serves", url=self.url)

    def apply(self, tls: ssl.SSLContext | None) -> None:
        """Another certificate from now on."""
        if self._listener is not None:
            self._listener.use(tls)

    async def close(self) -> None:
        """Close all connections, after a while for those with a request."""
        if self._listener is not None:
            await self._listener.close()
        if self.services.sign_on is not None:
            await self.services.sign_on.close()


def check_office(config: Config) -> None:
    """Raise ConfigError if the back office would send keys and names in clear text through a network."""
    office = config.office
    if not office.enabled or office.behind_proxy or config.server.tls_certificate:
        return
    if not is_loopback(host_and_port(office.listen)[0]):
        raise ConfigError(
            f"office.listen = {office.listen} is open to the network without TLS: set server.tls_certificate, or "
            f"office.behind_proxy = true if a proxy before it ends TLS"
        )


def check_sign_on(config: Config) -> None:
    """Raise ConfigError if operators could not sign on, or tokens would go through a network in clear text."""
    oidc = config.oidc
    if not oidc.issuer:
        return
    for name, url in (("issuer", oidc.issuer), ("office_url", oidc.office_url)):
        host = urlsplit(url).hostname or ""
        if url.startswith("http://") and not is_loopback(host):
            raise ConfigError(f"oidc.{name} = {url}: it begins with https://, unless it is on this machine")
    for name in ("client_id", "office_url", "roles"):
        if not getattr(oidc, name):
            raise ConfigError(f"oidc.{name} is needed where oidc.issuer is set")
