"""The services of cards and pay passwords."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from server.services.cards.authorisation import Authorisation
from server.services.cards.bind_attempts import BindAttempts
from server.services.cards.codes import CodeService
from server.services.cards.passwords import Hashing, PasswordService
from server.services.cards.recently_right import RecentlyRight
from server.services.cards.secrets import CardSecrets
from server.services.cards.service import CardService

if TYPE_CHECKING:
    from server.clock import Clock
    from server.config import Config
    from server.core.ids import IdMaker
    from server.gateways.port import Gateway
    from storage.stores import Stores


class CardServices:
    """They are there without a bank, too: cards may be recorded from a time when the config named one."""

    def __init__(
        self,
        config: Config,
        stores: Stores,
        gateways: Mapping[str, Gateway],
        seed_keys: Mapping[str, bytes],
        ids: IdMaker,
        clock: Clock,
    ) -> None:
        rule = config.payments.wallet_password
        self.secrets = secrets = CardSecrets(seed_keys, clock.random_bytes)
        recent = RecentlyRight(clock.random_bytes)
        self.passwords = PasswordService(stores.payers, secrets, Hashing(), recent, clock.now_ms)
        self.authorisation = Authorisation(stores.cards, self.passwords, rule)
        codes = CodeService(stores.challenges, secrets, clock.now_ms, clock.random_number)
        self.service = CardService(
            stores.cards,
            gateways,
            BindAttempts(stores.bind_attempts, secrets, clock.now_ms),
            codes,
            self.passwords,
            secrets,
            ids,
            clock,
            keeps_password=rule == "always",
        )
