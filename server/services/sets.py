"""What a server does for each set of PostgreSQL by itself, so that one which is away does not hold up the others.

With one set, which is usual, there is one of each, and nothing is told to another set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import structlog

from server.config import Config
from server.core.ids import IdMaker, id_at, set_of
from server.core.ledger import TransferKind
from server.services.chat.groups import GroupService
from server.services.chat.posts import PostReader
from server.services.money.set_money import SetMoney
from server.services.money.settlement import SettlementService
from server.services.packets.commit.path import CommitPath
from server.services.runtime.bus import Bus
from server.services.runtime.database_time import DatabaseTime
from server.services.runtime.in_doubt import InDoubt
from server.services.runtime.outbox import Outbox
from server.services.runtime.set_posts import SetPosts
from server.services.runtime.store_health import StoreHealth
from server.services.runtime.supervised import Loop
from storage.errors import StoreUnavailable
from storage.postgres import facts
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from storage.postgres.sets import opening
from storage.postgres.sets.between.carrying import MoneyCarrier
from storage.postgres.sets.between.corrections import CORRECTIONS
from storage.postgres.sets.between.orders import ORDERS
from storage.postgres.sets.outbox import SetPostStore
from storage.postgres.sets.places import HOME, Sets
from storage.postgres.write_probe import WRITE_S
from storage.stores import Stores

LOG: Final = structlog.get_logger()
CORRECTIONS_IDLE_S: Final = 2.0  # between two looks for what a server has left that was killed: they are rare
NO_STANDBY: Final = "this set has no synchronous standby (synchronous_standby_names is empty)"
Part = TypeVar("Part")


class SetServices:
    """Settlement, outbox, what is told and brought to others, for each set; those of set 0 come first."""

    def __init__(
        self,
        stores: Stores,
        reader: PostReader,
        groups: GroupService,
        config: Config,
        now_ms: Callable[[], int],
        bus: Bus,
        commit: CommitPath,
    ) -> None:
        batch_max, idle_s = config.settlement.batch_max, config.settlement.idle_s
        self.settlements = [
            SettlementService(queue, batch_max, idle_s, now_ms, bus, commit) for queue in stores.settlement.parts
        ]
        self.outboxes = [Outbox(one, reader, groups, idle_s, bus, commit) for one in stores.outbox.parts]
        numbers = range(len(stores.sets.databases)) if stores.sets.several else ()
        self.posts = [
            SetPosts(SetPostStore(stores.sets, number), reader, groups, idle_s, bus) for number in numbers
        ]
        writers = [stores.sets.databases[number].writer() for number in numbers]
        self.orders, self.corrections = (
            [
                SetMoney(MoneyCarrier(stores.sets, number, freight, writer), kind, look_s, bus)
                for number, writer in enumerate(writers)
            ]
            for freight, kind, look_s in (
                (ORDERS, TransferKind.TRANSFER, idle_s),
                (CORRECTIONS, TransferKind.CORRECTION, CORRECTIONS_IDLE_S),
            )
        )

    @property
    def settled_claims(self) -> int:
        """Claims that this server has credited."""
        return sum(one.settled_claims for one in self.settlements)

    @property
    def posted(self) -> int:
        """Posts that this server has made of what stood in outboxes."""
        return sum(one.posts for one in self.outboxes)

    def settling(self) -> dict[str, Loop]:
        """The loops of the settlement."""
        return {name: one.run for name, one in by_set("settlement", self.settlements).items()}

    def posting(self) -> dict[str, Loop]:
        """The loops of the outboxes."""
        own: dict[str, Loop] = {name: one.run for name, one in by_set("outbox", self.outboxes).items()}
        own |= {name: one.run for name, one in by_set("set_posts", self.posts).items()}
        own |= {name: one.run for name, one in by_set("set_orders", self.orders).items()}
        return own | {name: one.run for name, one in by_set("set_corrections", self.corrections).items()}

    def in_doubt(self) -> dict[str, InDoubt[Any, Any]]:
        """Credits and posts with an unknown outcome."""
        credits = {name: one.in_doubt for name, one in by_set("settlement", self.settlements).items()}
        return credits | {name: one.in_doubt for name, one in by_set("outbox", self.outboxes).items()}


def by_set(name: str, parts: Sequence[Part]) -> dict[str, Part]:
    """Parts that there are for each set, by name; that of set 0 has the bare name."""
    return {f"{name}_{number}" if number else name: part for number, part in enumerate(parts)}


def sets_at(postgres_dsn: str, config: Config, timeout_s: float) -> Sets:
    """The sets of the config, of which this is set 0. `timeout_s` bounds every attempt and statement."""
    stores = config.stores
    dsns = (postgres_dsn, *stores.postgres_sets)
    databases = [Database(dsn, stores.postgres_pool_max, timeout_s) for dsn in dsns]
    return Sets(databases, set_of, stores.postgres_new_users)


def health_of(sets: Sets) -> dict[str, StoreHealth]:
    """The health of each set, by its name."""
    probes = by_set("postgres_set", [one.probe_write for one in sets.databases])
    names = ["postgres", *list(probes)[1:]]
    return {name: StoreHealth(name, probe, WRITE_S) for name, probe in zip(names, probes.values(), strict=True)}


async def open_sets(
    sets: Sets, health: Mapping[str, StoreHealth], time: DatabaseTime, ids: IdMaker, now_ms: Callable[[], int]
) -> None:
    """Connect, bring the tables up to date, check which set is which. Raises StoreUnavailable, StoreRefused.

    A further set of the record that is away is opened later (see LateSets). Set 0 and one that is added are needed.
    """
    for number, database in enumerate(sets.databases):
        try:
            await database.open()
            if number == HOME:
                await time.probe()
            for name in await migrate(database):
                LOG.info("migration_applied", name=name, **({"set": number} if number else {}))
        except StoreUnavailable as error:
            if number == HOME or not await opening.is_known(sets.home, number):
                raise
            database.hold(str(error))
            sets.late.add(number)
            LOG.warning("set_is_late", set=number, why=str(error))
    for number in await opening.begin(sets):
        LOG.info("set_added", set=number)
    if sets.several:
        for one, database in zip(health.values(), sets.databases, strict=True):
            if not database.away:
                one.warn("" if await opening.has_standby(database) else NO_STANDBY)
    ids.begin_at(sets.first_id)
    opened = [one for number, one in enumerate(sets.databases) if number not in sets.late]
    ahead = [await facts.ids_after(one, id_at(now_ms())) for one in opened]
    ids.leave_out([span for spans in ahead for span in spans])
