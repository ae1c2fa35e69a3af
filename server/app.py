"""A server: stores, services, sockets and operators, wired in one place; starts them and drains them at the end."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from protocol.money_unit import MoneyUnit
from server.clock import Clock
from server.config import Config
from server.config.money import money_unit
from server.core.kinds import WITH_BEST_LUCK
from server.core.placement.hash_tags import TAGS, tag_of
from server.http_api.api import HttpApi
from server.instance import publish, status_path, withdraw
from server.net.addresses import shown
from server.net.dispatch import Dispatch
from server.net.hub import Hub
from server.net.listener import Listener
from server.net.proxied import ProxyRules, proxied_session
from server.net.socket_session import SocketSession
from server.net.subscriptions import Subscriptions
from server.office.listening import Office
from server.operating_system.open_files import ROOM, Room
from server.operating_system.systemd import Systemd
from server.ops.operations import Operations
from server.ops.samples.observed_parts import ObservedParts
from server.ops.socket.commands import AdminActions
from server.peers.assembly import PeerPlace, Peers
from server.reload import Reading, Reload
from server.services.assembly import Services
from server.services.office.assembly import OfficeServices
from server.services.reconciliation.sources import sources_of
from server.services.runtime.bus import Bus
from server.services.runtime.store_errors import StoreUnavailable
from server.services.runtime.supervised import Loop, Supervisor
from server.services.sets import sets_at
from server.tasks import done_before, end_all
from server.worker_place import HeldSockets, WorkerPlace
from storage.redis.engine import Tags
from storage.redis.mirror import Mirror
from storage.stores import Stores

if TYPE_CHECKING:
    from server.net.websocket import WebSocketAddress

STORE_TIMEOUT_S = 2.0
DRAIN_S = 30.0
DRAIN_WEBHOOKS_S = 5.0  # from the start of the drain; a receiver may take 10 s to answer


class App:
    """A server. Make it inside a running loop, then `run` it."""

    websocket: WebSocketAddress | None = None  # once it listens there

    def __init__(
        self,
        stores: Stores,
        bus: Bus,
        clock: Clock,
        config: Config,
        *,
        keys: Mapping[str, bytes],
        seed_keys: Mapping[str, bytes],
        data: Path,
        postgres_dsn: str,
        api_keys: Mapping[str, bytes] | None = None,
        tls: ssl.SSLContext | None = None,
        reload: Reload | None = None,
        systemd: Systemd | None = None,
        room: Room = ROOM,
        peers_folder: Path | None = None,
        place: WorkerPlace | None = None,
    ) -> None:
        """`keys` verify logins, `seed_keys` seal seeds, by key id; `data` tells other commands where the server is.

        `api_keys` are those of the HTTP API, which is off without them. `reload` reads config and credentials again
        when an operator or SIGHUP asks for it. `room`: so many connections the limit of open files has room for.
        `peers_folder`: where other servers of this machine reach it; None: nowhere.
        `place`: of a worker, whose supervisor holds the sockets and tells other commands where the server is.
        """
        self._limits = msgspec.structs.replace(config.limits)  # a reload changes them in place, so they are our own
        self._config, self._clock, self._tls, self._data = config, clock, tls, data
        self._stop: asyncio.Event | None = None
        self._reload, self.place, self._room = reload, place, room
        self._held = HeldSockets() if place is None else place.sockets
        self._systemd = systemd or Systemd({})
        self.stores, self.supervisor = stores, Supervisor()
        known = keys, seed_keys, (money := money_unit(config))
        self.services = Services(stores, bus, clock, config, self._limits, *known, is_worker=place is not None)
        sessions: dict[int, SocketSession] = {}
        self.hub = Hub(self._limits, bus)
        self.subscriptions = Subscriptions(self.services.live_packets, self.services.pages, self._limits, bus)
        self.dispatch = Dispatch(self.services, self.hub, self.subscriptions, sessions, bus, clock, money)
        self.listener = self._make_listener(sessions)
        self.http_api = HttpApi(config, self.services, api_keys or {}, tls, clock, self.hub.admit, money)
        self.office = Office(config, OfficeServices(stores, self.services, clock, config), tls, clock, money)
        of_place = (1, True) if place is None else (place.workers, place.owns)
        at = PeerPlace(peers_folder, config.peers, config.nats, *of_place)
        self.peers = self._with_peers(sessions, bus, at) if at.is_anywhere else None
        self.operations = self._for_operators(postgres_dsn, money)

    def _make_listener(self, sessions: dict[int, SocketSession]) -> Listener:
        parts = sessions, self.dispatch, self.hub, self.subscriptions, self._limits, self._config.stores.durability
        return Listener(*parts, self._clock.now_ms, self._clock.random_bytes, self._room.clients)

    def _with_peers(self, sessions: dict[int, SocketSession], bus: Bus, at: PeerPlace) -> Peers:
        parts = self.hub, self.dispatch, self.subscriptions, sessions, bus, self._clock, at
        peers = self.dispatch.router = self.listener.router = Peers(self.services, *parts)
        return peers

    def _for_operators(self, postgres_dsn: str, money: MoneyUnit) -> Operations:
        return Operations(
            self._config.ops,
            durability=self._config.stores.durability,
            money=money,
            postgres_dsns=(postgres_dsn, *self._config.stores.postgres_sets),
            parts=ObservedParts(
                listener=self.listener,
                hub=self.hub,
                subscriptions=self.subscriptions,
                dispatch=self.dispatch,
                services=self.services,
                supervisor=self.supervisor,
                http_api=self.http_api,
                peers=self.peers,
            ),
            actions=AdminActions(drain=self.drain, reload=self.reload),
            supervisor_pid=None if self.place is None else os.getppid(),
            now_ms=self._clock.now_ms,
            now_s=self._clock.elapsed_s,
        )

    async def run(self, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
        """Serve until `stop` is set; `ready` gets the url. Raises StoreUnavailable, StoreRefused, OSError."""
        self._stop = stop
        await self.operations.open(status_path(self._data, self._config))
        try:
            if self.peers is not None:
                await self.peers.open()
            if not await done_before(stop, self.services.open_stores()):
                return
            async with asyncio.TaskGroup() as tasks:
                run = self.supervisor.run
                loops = [tasks.create_task(run(name, one), name=name) for name, one in self._loops().items()]
                try:
                    await self.http_api.open(self._room.http_api, self._held.http_api)
                    await self.office.open(self._room.office, self._held.office)
                    port = await self._listen()
                    await self._listen_to_websocket()
                    self.operations.observer.serves()
                    self._publish(self._url(port))
                    ready(self._url(port))
                    await stop.wait()
                    await self._drain()
                finally:
                    await end_all(loops)
            await self.services.changes.close()
        finally:
            self.listener.abort()
            await self.http_api.close()
            await self.office.close()
            if self.peers is not None:
                await self.peers.close()
            await self.services.payments.close()  # last: requests that were broken off may still call a gateway
            if self.place is None:
                withdraw(self._data)
            await self.operations.close()
            await self.stores.close()

    async def _listen(self) -> int:
        server = self._config.server
        if not server.proxy_protocol:
            return await self.listener.open(server.host, server.port, self._tls, held=self._held.main)
        rules = ProxyRules(server.proxy_protocol)
        at = server.host, server.port, None, partial(proxied_session, rules), rules.address_of
        return await self.listener.open(*at, held=self._held.main)

    async def _listen_to_websocket(self) -> None:
        if self._config.websocket.listen:
            # importing the library takes time and memory: not for servers without WebSocket
            from server.net.websocket import listen

            self.websocket = await listen(self.listener, self._config.websocket, self._tls, self._held.websocket)
        self.http_api.serve_web(self.websocket)

    def _publish(self, url: str) -> None:
        if self.place is None:
            websocket = self.websocket.url if self.websocket is not None else ""
            publish(self._data, self._config, url, websocket=websocket, http_api=self.http_api.url)

    def _loops(self) -> dict[str, Loop]:
        sockets = {"subscriptions": self.subscriptions.run, "listener": self.listener.run}
        peers = {} if self.peers is None else self.peers.loops()
        return {**self.services.loops(), **sockets, **peers, **self.operations.loops()}

    def reload(self) -> dict[str, object]:
        """Read config, keys and certificates again; what has changed, and what needs a restart."""
        if self._reload is None:
            return {"fault": "this server was started without a config that can be read again"}
        is_serving = self.operations.observer.state != "starting"  # systemd expects no reload before READY
        if is_serving:
            self._systemd.reloading()
        outcome = self._reload(self.apply)
        if is_serving:
            self._systemd.ready()
        return outcome._asdict()

    def apply(self, reading: Reading) -> None:
        """Other limits, keys and another certificate from now on; connections stay."""
        self._limits.become(reading.config.limits)
        self.services.login.use(reading.credentials.keys, reading.config.auth.v1_tokens_end_ms)
        of = self.services
        for sealed in (of.seeds, of.webhook_secrets, of.enterprise, of.cards.secrets, of.everyday.hidden_words):
            sealed.use_keys(reading.credentials.seed_keys)
        self.services.passes.use(reading.credentials.keys)
        self.listener.reload(reading.credentials.tls)
        self.services.payments.use_config(reading.config)
        self.services.enterprise.use_config(reading.config)
        self.services.risk.use(reading.config, reading.rules)
        self.services.reconciliation.statements.use_sources(sources_of(reading.config))
        self.http_api.apply(reading.config, reading.credentials.api_keys, reading.credentials.tls)
        self.office.apply(reading.credentials.tls)
        if self.websocket is not None:
            self.websocket.rules.origins = (*reading.config.websocket.origins, *self.http_api.web_origins)

    def drain(self) -> None:
        """Finish what was begun, then end."""
        if self._stop is not None:
            self._stop.set()

    def _url(self, port: int) -> str:
        return f"{'tls' if self._tls is not None else 'tcp'}://{shown(self._config.server.host, port)}"

    async def _drain(self) -> None:
        """Finish what was begun, then close. A request that comes meanwhile gets the goodbye for an answer."""
        self.listener.stop_accepting()
        self.dispatch.draining = True
        if self.peers is not None:
            self.peers.leave()
        self.http_api.drain()
        self.services.webhook_delivery.take_no_more()
        finishing = asyncio.create_task(self.services.webhook_delivery.finish(DRAIN_WEBHOOKS_S))
        for _ in range(int(DRAIN_S * 100)):
            forwarded = self.peers is not None and self.peers.forwarder.under_way
            if not (forwarded or self.dispatch.under_way or self.http_api.under_way or self.services.unanswered):
                break
            await asyncio.sleep(0.01)
        with suppress(StoreUnavailable):  # then another server reclaims them
            await self.services.campaigns.loop.leave()
        await self.listener.close(self._clock.random_part)
        await finishing


def app_at(
    postgres_dsn: str,
    redis_url: str,
    config: Config,
    *,
    keys: Mapping[str, bytes],
    seed_keys: Mapping[str, bytes],
    data: Path,
    api_keys: Mapping[str, bytes] | None = None,
    tls: ssl.SSLContext | None = None,
    reload: Reload | None = None,
    systemd: Systemd | None = None,
    clock: Clock | None = None,
    room: Room = ROOM,
    peers_folder: Path | None = None,
    place: WorkerPlace | None = None,
) -> App:
    """The server on the stores at these addresses, by default with the real clock."""
    mirror = Mirror(redis_url, STORE_TIMEOUT_S, Tags(TAGS, tag_of), confirms=config.stores.durability == "redis")
    stores = Stores.over(sets_at(postgres_dsn, config, STORE_TIMEOUT_S), mirror, WITH_BEST_LUCK)
    return App(
        stores,
        Bus(),
        clock or Clock(),
        config,
        keys=keys,
        seed_keys=seed_keys,
        data=data,
        postgres_dsn=postgres_dsn,
        api_keys=api_keys,
        tls=tls,
        reload=reload,
        systemd=systemd,
        room=room,
        peers_folder=peers_folder,
        place=place,
    )
