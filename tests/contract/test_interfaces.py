"""The simulated stores have the interface of the real ones; what they leave out is listed here with a reason."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType, SimpleNamespace
from typing import Any, get_type_hints

import pytest

from storage.stores import Stores
from tests.sim import stores as simulated

REAL: dict[str, type] = {
    name: kind for name, kind in get_type_hints(Stores).items() if name in Stores._fields
}  # field -> class
_PLACE = SimpleNamespace(tables=None, logs=None, postgres=None, feed=None, redis=None)
SIMULATED: dict[str, type] = {
    name: type(store) for name, store in simulated.stores(_PLACE)._asdict().items() if isinstance(store, REAL[name])
}

NOT_SIMULATED_STORES = {
    "database": "connections and migrations: the lines of the simulator stand for them",
    "relays": "no group of the worlds has the rule",
    "resends": "users of the worlds do not send a packet again",
    "records": "users of the worlds do not read their records",
    "bank_statements": "a world ends before the first statement of its bank",
    "matching": "a world ends before the first statement of its bank",
    "breaks": "a world ends before the first statement of its bank",
    "corrections": "operators correct, the worlds have none",
    "statements": "users of the worlds do not read their statements",
    "chats": "users of the worlds open no chats",
    "webhook_endpoints": "a world has no receivers of webhooks",
    "webhook_deliveries": "a world has no receivers of webhooks",
    "risk": "no world has risk control: its mode is off",
    "office": "operators use it, the worlds have none",
    "finding": "operators use it, the worlds have none",
    "webhook_facts": "a world has no receivers of webhooks",
}
NOT_SIMULATED_METHODS = {
    "packets.record": "inherited: the real one, above the simulated statement",
    "wallets.stands": "risk control asks it, the worlds have none",
    "packets.unopened_fen": "operators read it, the worlds have none",
    "seed_trees.sealed_otherwise": "an operator seals again, the worlds have none",
    "seed_trees.seal_again": "an operator seals again, the worlds have none",
    "sends.words_before": "inherited: it asks `before`",
    "campaigns.set_of_sponsor": "inherited: the worlds have one set",
    "leases.set_of_campaign": "inherited: the worlds have one set",
    "admissions.change_of": "inherited: the worlds have one set",
    "admissions.of_change": "inherited: the worlds have one set",
    "messages.append": "users of the worlds write no texts",
    "messages.positions": "clients of the worlds catch up by themselves",
    "messages.after": "clients of the worlds catch up by themselves",
    "messages.between": "clients of the worlds catch up by themselves",
    "messages.last": "clients of the worlds catch up by themselves",
    "payments.set_of": "worlds have one set",
    "payments.create_charge": "no world has a host wallet",
    "payments.create_payouts": "no world has a host wallet",
    "payments.page_of_wallets": "no world has a host wallet",
    "payments.newest": "operators read it, the worlds have none",
    "cards.all_of": "no user of a world is forgotten",
    "cards.forget": "no user of a world is forgotten",
    "cards.sealed_otherwise": "an operator seals again, the worlds have none",
    "cards.seal_again": "an operator seals again, the worlds have none",
    "mirror.size": "a restore asks it, the worlds have none",
    "outbox.waiting": "operators read it, the worlds have none",
    "bills.range": "no sponsor of a world gives anything for an event",
    "bills.set_range": "no sponsor of a world gives anything for an event",
    "bills.drop_range": "no sponsor of a world gives anything for an event",
    "bills.page": "the backend of the worlds lists no bills",
    "bills.reported": "no campaign of a world is for users with an event",
    "bills.report": "no sponsor of a world gives anything for an event",
    "campaigns.page": "the backend of the worlds lists no campaigns",
    "campaigns.report": "operators read it, the worlds have none",
    "leases.wins_of": "users of the worlds see no page and no proof of a campaign",
    "leases.won_numbers": "operators publish proofs, the worlds have none",
    "leases.won_share": "users of the worlds see no page and no proof of a campaign",
    "groups.newest": "operators read it, the worlds have none",
}


def public_methods(kind: type) -> dict[str, FunctionType]:
    """What a class itself defines."""
    found = {name: one for name, one in vars(kind).items() if inspect.isfunction(one)}
    return {name: one for name, one in found.items() if not name.startswith("_")}


def shape(method: Callable[..., Any]) -> tuple[list[tuple[str, Any, Any]], bool, bool]:
    """How it is called: parameters without their types, and whether it is awaited or iterated."""
    parameters = [(one.name, one.kind, one.default) for one in inspect.signature(method).parameters.values()]
    return parameters, inspect.iscoroutinefunction(method), inspect.isasyncgenfunction(method)


def test_stores_are_simulated_or_listed_with_a_reason() -> None:
    assert SIMULATED.keys() | NOT_SIMULATED_STORES.keys() == set(Stores._fields)
    assert SIMULATED.keys() & NOT_SIMULATED_STORES.keys() == set()


def test_public_methods_are_simulated_or_listed_with_a_reason() -> None:
    missing = {
        f"{store}.{method}"
        for store, kind in SIMULATED.items()
        for method in public_methods(REAL[store]).keys() - public_methods(kind).keys()
    }
    assert missing == NOT_SIMULATED_METHODS.keys()


@pytest.mark.parametrize("store", SIMULATED)
def test_simulated_methods_are_called_as_the_real_ones(store: str) -> None:
    real = public_methods(REAL[store])
    methods = public_methods(SIMULATED[store])
    assert methods != {}
    assert {name: shape(one) for name, one in methods.items()} == {name: shape(real[name]) for name in methods}
