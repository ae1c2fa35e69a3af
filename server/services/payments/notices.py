"""Notices: what another book tells by itself becomes evidence, once it is shown to be from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import structlog

from server.core.signed_requests import Unauthorized
from server.gateways.port import Gateway, NoticeGateway, Unproven
from server.services.payments.evidence import EvidenceService
from server.services.payments.service import order_of
from server.services.runtime.used_nonces import UsedNonces

if TYPE_CHECKING:
    from storage.postgres.money.payments import PaymentStore

LOG = structlog.get_logger()


class NoSuchNumber(Exception):
    """A notice is proven, but it is about a number that is no payment of its gateway here."""


class NoticeService:
    """Takes the notices of those gateways that have some."""

    def __init__(
        self,
        gateways: Mapping[str, Gateway],
        store: PaymentStore,
        evidence: EvidenceService,
        nonces: UsedNonces,
    ) -> None:
        self._gateways = {
            name: cast(NoticeGateway, one) for name, one in gateways.items() if hasattr(one, "read_notice")
        }
        self._store, self._evidence, self._nonces = store, evidence, nonces

    def __contains__(self, gateway: str) -> bool:
        return gateway in self._gateways

    async def take(self, gateway: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Apply a notice; its evidence is committed, or was known before, when this returns.

        Raises Unproven, NoSuchNumber, StoreUnavailable.
        """
        source = self._gateways[gateway]
        notice = source.read_notice(path, headers, body)
        try:
            await self._nonces.accept_alone(gateway, notice.claim)
        except Unauthorized as used:
            raise Unproven(str(used)) from None
        payment = await self._store.get(notice.number)
        if payment is None or payment.gateway != gateway:
            LOG.error("payment_notice_without_payment", gateway=gateway, number=notice.number)
            raise NoSuchNumber(str(notice.number))
        await self._evidence.apply(payment, source.evidence_of(notice, order_of(payment)))
