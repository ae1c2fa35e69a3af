"""The one place that wires everything: stores, services, sockets; starts them and drains them at the end."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Callable, Collection, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from server import clock
from server.config import Config
from server.core.ids import IdMaker
from server.core.kinds import WITH_BEST_LUCK
from server.core.limits import Limits
from server.instance import publish, status_path, withdraw
from server.net.dispatch import Dispatch
from server.net.handlers import UseCases
from server.net.hub import Hub
from server.net.listener import Listener
from server.net.subscriptions import Subscriptions
from server.ops.operations import Operations
from server.ops.samples.observer import ObservedParts
from server.ops.socket.commands import AdminActions
from server.ops.socket.lookups import Stores
from server.services.chat.grab_stats import GrabStatService
from server.services.chat.groups import GroupService
from server.services.chat.login import LoginService
from server.services.chat.messages import MessageService
from server.services.chat.names import NameService
from server.services.chat.posts import PostReader
from server.services.money.records import RecordService
from server.services.money.settlement import SettlementService
from server.services.money.wallets import WalletService
from server.services.packets.commit import CommitListener, CommitPath, PacketBatch
from server.services.packets.grab_open import PacketService
from server.services.packets.pages import PageService
from server.services.packets.recovery import Recovery
from server.services.packets.refund import RefundService
from server.services.packets.resend import ResendService
from server.services.packets.send import SendService
from server.services.packets.sweep import Sweep
from server.services.runtime.events import Event
from server.services.runtime.outbox import Outbox
from storage import postgres
from storage.errors import StoreRefused, StoreUnavailable
from storage.postgres import facts
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from storage.redis.mirror import Mirror

LOG = structlog.get_logger()
STORE_TIMEOUT_S = 2.0
DRAIN_S = 30.0
END_AGAIN_S = 0.5


class App:
    """A server. Make it inside a running loop, then `run` it."""

    def __init__(
        self,
        config: Config,
        keys: Mapping[str, bytes],
        data: Path,
        postgres_dsn: str,
        redis_url: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        limits, durability = msgspec.structs.replace(config.limits), config.stores.durability
        self._limits = limits  # a reload changes them in place, so they are our own
        self._config = config
        self._tls = tls
        self._data = data
        self._stop: asyncio.Event | None = None
        self.reread: Callable[[], Mapping[str, object]] = lambda: {"fault": "this server has nothing to read again"}
        self.database = Database(postgres_dsn, config.stores.postgres_pool_max, STORE_TIMEOUT_S)
        self.mirror = Mirror(redis_url, STORE_TIMEOUT_S)
        now_ms, announce = clock.now_ms, self._announce
        ids = self._ids = IdMaker(config.server.node)
        group_store = postgres.groups.GroupStore(self.database)
        records = postgres.packets.PacketStore(self.database)
        self._queue = postgres.settlement.SettlementQueue(self.database, WITH_BEST_LUCK)

        self.groups = GroupService(group_store, limits, ids, now_ms, announce)
        self.packets = PacketService(records, self.groups, limits, now_ms, clock.random_number, announce)
        self.settlement = SettlementService(
            self._queue,
            config.settlement.batch_max,
            config.settlement.idle_s,
            now_ms,
            announce,
            lambda: self.path.unrecorded,
        )
        watch = CommitListener(self.packets.claims_durable, self._recorded, self.packets.claims_rejected)
        self.path = CommitPath(self.mirror, records, durability, watch, limits, now_ms, clock.elapsed_s)
        self.recovery = Recovery(records, self.mirror, self.path, self.groups, durability)
        self.packets.wire(self.path, self.recovery)
        self.refunds = RefundService(
            records,
            self.mirror,
            self.path,
            self.packets,
            durability,
            config.refunds.batch_max,
            config.refunds.interval_s,
            now_ms,
            announce,
        )
        outbox_store = postgres.outbox.OutboxStore(self.database)
        reader = PostReader(outbox_store, records)
        self.outbox = Outbox(
            outbox_store, reader, self.groups, config.settlement.idle_s, announce, lambda: self.path.unrecorded
        )
        self.sweep = Sweep(self.mirror, records, self.path, self.packets, durability)
        names = NameService(postgres.names.NameStore(self.database), limits)
        pages = PageService(self.packets, names, now_ms)
        self.grab_stats = GrabStatService(
            postgres.grab_stats.GrabStatStore(self.database), self.packets, self.groups
        )
        self.watching = Subscriptions(self.packets, pages, limits)
        use = UseCases(
            LoginService(keys, limits, now_ms, group_store),
            self.groups,
            MessageService(
                postgres.messages.MessageStore(self.database), reader, self.groups, limits, now_ms, announce
            ),
            names,
            self.packets,
            pages,
            SendService(
                postgres.sends.SendStore(self.database),
                self.packets,
                self.groups,
                limits,
                ids,
                now_ms,
                clock.random_bytes,
                announce,
            ),
            ResendService(
                postgres.resends.ResendStore(self.database),
                records,
                self.packets,
                self.groups,
                limits,
                now_ms,
                announce,
            ),
            RecordService(postgres.records.RecordStore(self.database), names, now_ms),
            self.grab_stats,
            WalletService(postgres.wallets.WalletStore(self.database), limits, now_ms, announce),
        )
        self._auth = use.auth
        self._in_doubt = (
            use.sends.in_doubt,
            use.wallets.in_doubt,
            self.settlement.in_doubt,
            self.refunds.in_doubt,
            self.groups.in_doubt,
            use.resends.in_doubt,
        )
        self._batchers = (use.auth.batcher, use.chat.batcher, use.sends.batcher, names.batcher)
        self.hub = Hub(limits)
        self.listener = Listener(self.hub, limits, durability, now_ms, clock.random_bytes)
        self.listener.watching = self.watching
        self.dispatch = Dispatch(use, self.hub, self.watching, self.listener.now_s, clock.random_part)
        self.listener.dispatch = self.dispatch
        self.operations = self._for_operators(
            use,
            Stores(
                self.database,
                records,
                self._queue,
                group_store,
                postgres.messages.MessageStore(self.database),
                self.mirror,
            ),
            postgres_dsn,
        )

    def _for_operators(self, use: UseCases, stores: Stores, postgres_dsn: str) -> Operations:
        parts = ObservedParts(
            self.listener,
            self.hub,
            self.watching,
            self.dispatch,
            self.packets,
            self.path,
            self.recovery,
            self.settlement,
            self.refunds,
            use.sends,
            use.wallets,
            self.database,
        )
        levers = AdminActions(self.drain, lambda: self.reread())
        durability = self._config.stores.durability
        return Operations(
            self._config.ops, durability, postgres_dsn, parts, stores, levers, clock.now_ms, clock.elapsed_s
        )

    def _announce(self, event: Event, audience: Collection[int]) -> None:
        self.hub.announce(event, audience)  # the services are made before the hub
        self.watching.on_event(event)
        self.grab_stats.on_event(event)
        self.outbox.on_event(event)

    def _recorded(self, part: PacketBatch) -> None:
        self.packets.claims_recorded(part)
        self.settlement.wake()

    async def run(self, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
        """Serve until `stop` is set; `ready` hears the url. Raises StoreUnavailable, StoreRefused, OSError."""
        self._stop = stop
        await self.operations.open(status_path(self._data, self._config))
        try:
            if not await _done_before(stop, self._open_stores()):
                return
            async with asyncio.TaskGroup() as tasks:
                loops = [tasks.create_task(loop) for loop in self._loops()]
                try:
                    port = await self.listener.open(self._config.server.host, self._config.server.port, self._tls)
                    self.operations.observer.state = "serving"
                    publish(self._data, self._config, self._url(port))
                    _tame_garbage_collector()
                    ready(self._url(port))
                    await stop.wait()
                    await self._drain()
                finally:
                    await _end(loops)
        finally:
            self.listener.abort()
            withdraw(self._data)
            await self.operations.close()
            await self.mirror.close()
            await self.database.close()

    async def _open_stores(self) -> None:
        await self.database.open()
        for name in await migrate(self.database):
            LOG.info("migration_applied", name=name)
        self._ids.begin_at(await facts.first_id(self.database))
        try:
            await self.mirror.ping()
            if self._config.stores.durability == "redis" and not await self.mirror.fsyncs_every_write():
                raise StoreRefused("durability redis needs a Redis with appendonly yes and appendfsync always")
        except StoreUnavailable as error:
            self.path.mirror_is_up = False
            LOG.warning("redis_is_away", why=str(error))

    def _loops(self) -> list[Coroutine[Any, Any, None]]:
        return [
            self.path.run_mirror(),
            self.path.run_record(),
            self.packets.run_loading(),
            self.settlement.run(),
            self.refunds.run(),
            self.outbox.run(),
            self.sweep.run(),
            self.watching.run(),
            self.grab_stats.run(),
            self.listener.run(),
            *(in_doubt.run() for in_doubt in self._in_doubt),
            *(batcher.run() for batcher in self._batchers),
            *self.operations.loops(),
        ]

    def reload(self, limits: Limits, keys: Mapping[str, bytes], tls: ssl.SSLContext | None) -> None:
        """Other limits, keys and another certificate from now on; connections stay."""
        self._limits.become(limits)
        self._auth.use(keys)
        self.listener.reload(tls)

    def drain(self) -> None:
        """Finish what was begun, then end."""
        if self._stop is not None:
            self._stop.set()

    def _url(self, port: int) -> str:
        return f"{'tls' if self._tls is not None else 'tcp'}://{self._config.server.host}:{port}"

    async def _drain(self) -> None:
        """Finish what was begun, then hang up. What is asked meanwhile gets the goodbye for an answer."""
        self.listener.stop_accepting()
        self.dispatch.draining = True
        for _ in range(int(DRAIN_S * 100)):
            if not (self.dispatch.under_way or self.path.unrecorded or self.packets.unanswered):
                break
            await asyncio.sleep(0.01)
        await self.listener.close(clock.random_part)


async def _done_before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do this to its end, unless `stop` is set before: the stores may be away, or a migration take hours."""
    doing, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({doing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
        return doing.done()
    finally:
        await _end([doing, stopped])


async def _end(loops: Collection[asyncio.Task[Any]]) -> None:
    """Cancel until they have ended: code below us may swallow a cancellation that meets the end of a wait."""
    still = set(loops)
    while still:
        for loop in still:
            loop.cancel()
        _, still = await asyncio.wait(still, timeout=END_AGAIN_S)


def _tame_garbage_collector() -> None:
    """Packets, claims and connections live long and hold no cycles: to look through them often is waste."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
