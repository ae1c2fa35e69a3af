"""`hongbao seeds`: begin fresh trees of seeds after a restore, and change the key that seals them."""

from __future__ import annotations

import os
from pathlib import Path

import cyclopts

from server.cli.shared.options import DATA, ConfigOption, DataOption, PostgresOption
from server.cli.shared.resources import all_sets, existing, with_records
from server.config import Config, append_seed_key, load, load_seed_keys, seed_key_path
from server.services.seeds.upkeep import renew_now, seal_all_again
from server.services.webhooks.secrets import WebhookSecrets
from storage.postgres.database import Database
from storage.postgres.webhooks.endpoints import EndpointStore

seeds_cli = cyclopts.App(
    name="seeds",
    help="Begin fresh seeds after a restore, or change their key.",
    result_action="return_value",
)


@seeds_cli.command
def renew(*, data: DataOption = DATA, config: ConfigOption = None, postgres: PostgresOption = None) -> int:
    """Begin fresh trees of seeds for all users, from now on; also while servers run.

    Use it before a server starts on a database that was restored unnoticeably (a snapshot of the disk, data loaded
    into existing tables), and if the seed key is lost. Packets that were sent keep their seeds.

    Example: hongbao seeds renew --postgres postgresql://me@db/hongbao
    """
    settings = load(config, {"stores.postgres": postgres})
    keys = load_seed_keys(settings, _folder(settings, data))

    async def work(database: Database) -> int:
        async with all_sets(database, settings) as sets:
            for one in sets:
                begun = await renew_now(one, keys)
                print(f"fresh seeds from {begun.first_index} on, sealed with key {begun.key_id}")
        return 0

    return with_records(settings, data, work)


@seeds_cli.command
def new_key(*, data: DataOption = DATA, config: ConfigOption = None) -> int:
    """Append a key to the seed key file; it seals from the next reload on, the keys before it still unseal.

    Example: hongbao seeds new-key && hongbao reload && hongbao seeds reseal
    """
    settings = load(config, {})
    load_seed_keys(settings, _folder(settings, data))
    key_id = append_seed_key(settings, data)
    print(f"{seed_key_path(settings, data)}: {key_id} seals from the next reload on: hongbao reload")
    return 0


@seeds_cli.command
def reseal(*, data: DataOption = DATA, config: ConfigOption = None, postgres: PostgresOption = None) -> int:
    """Seal all seeds and secrets of webhooks under the newest key, and begin fresh trees; then remove older keys.

    Example: hongbao seeds reseal
    """
    settings = load(config, {"stores.postgres": postgres})
    keys = load_seed_keys(settings, data, may_make=False)

    async def work(database: Database) -> int:
        async with all_sets(database, settings) as sets:
            sealed = sum([await seal_all_again(one, keys, os.urandom) for one in sets])
            await WebhookSecrets(EndpointStore(database), keys, os.urandom).seal_all()
            begun = [await renew_now(one, keys) for one in sets][-1]
        print(f"{sealed:,} trees sealed again; fresh seeds from {begun.first_index} on, with key {begun.key_id}")
        return 0

    return with_records(settings, data, work)


def _folder(settings: Config, data: Path) -> Path:
    """The data folder, which must exist unless the config has another place for the keys. Raises CommandFailed."""
    return data if settings.seeds.key_file else existing(data)
