"""The pool that the SDK deals, without code of the server, is the server's."""

from __future__ import annotations

import hashlib

import pytest

from client_sim.sdk.methods import pools
from server.core.campaigns.deck import Band, BandDeck, Deck, DrawDeck, Drawing
from server.core.campaigns.pool import Pool

SEED = hashlib.sha256(b"a seed").digest()
DECKS = {
    "bands": BandDeck(1_000, [Band(200, 499, 850_000), Band(500, 1_999, 149_000), Band(61_800, 61_800, 1_000)]),
    "one number": BandDeck(1, [Band(200, 299, 1_000_000)]),
    "draws with planted ones": DrawDeck(700, 5 * 61_800 + 695 * 300, Drawing(200, 20_000, 61_800, 7_200)),
    "draws": DrawDeck(600, 150_000, Drawing(200, 300, 0, 0)),
}


@pytest.mark.parametrize("name", DECKS)
def test_every_number_is_worth_the_same(name: str) -> None:
    deck: Deck = DECKS[name]
    dealt = pools.amounts(pools.Deck(deck.canonical()), SEED, list(range(deck.numbers)))
    assert dealt == Pool(deck, SEED).amounts(0, deck.numbers)
    assert sum(dealt) == deck.total_fen


@pytest.mark.parametrize("text", [b"", b"hongbao deck 2\nbands 1\n1 1 1\n", b"hongbao deck 1\nbands x\n", b"\xff"])
def test_text_that_is_no_deck_is_refused(text: bytes) -> None:
    with pytest.raises(pools.MalformedDeck):
        pools.Deck(text)
