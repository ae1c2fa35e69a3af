"""Pages and texts of a deployment whose packets hold points: none speaks of yuan, for any viewer."""

from __future__ import annotations

import re
from itertools import product
from string import Formatter

import pytest

from protocol.money_unit import YUAN, MoneyUnit
from server.core import packet_request
from server.core.decisions import Claim
from server.core.kinds import PacketKind
from server.core.pages import USES, Known, Viewer, open_page, result_page
from server.core.refusals import RequestRefused
from server.core.texts import TEXTS, Language, Text, say
from tests.cases import each
from tests.core import test_pages as pages
from tests.core.test_packet_request import LIMITS, lucky
from tests.points import COINS, POINTS, yuan_in

PACKETS = [one for one in vars(pages).values() if isinstance(one, Known)]
FIGURES = {name for table in TEXTS.values() for text in table.values() for _, name, _, _ in Formatter().parse(text)}
VIEWERS = list(product((pages.ANN, pages.BEN, pages.EVE), (False, True), Language))


def texts_of(page: object) -> str:
    """All texts of a page, one a line."""
    fields = getattr(page, "__struct_fields__", ())
    return "\n".join(str(value) for name in fields if isinstance(value := getattr(page, name), str))


@pytest.mark.parametrize("unit", [POINTS, COINS], ids=["points", "coins"])
@pytest.mark.parametrize("language", Language)
@each("text", Text)
def test_text_in_another_unit_never_names_yuan(unit: MoneyUnit, language: Language, text: Text) -> None:
    for value in (0, 1, 2, 61_000, 1_234_567, 90_000_000):
        said = say(language, text, {name: value for name in FIGURES if name}, unit)
        assert yuan_in(said) == []
        assert yuan_in(TEXTS[language][text]) == []


def test_text_with_an_amount_names_the_unit_once() -> None:
    for language, table in TEXTS.items():
        name = POINTS.zh if language is Language.ZH else POINTS.en
        for text, words in table.items():
            said = say(language, text, {figure: 1_234 for figure in FIGURES if figure}, POINTS)
            assert said.count(name) == len(re.findall(r":money\}", words)), said
            assert (":number}" in words) <= ("1,234" in said)


@pytest.mark.parametrize("unit", [POINTS, COINS], ids=["points", "coins"])
def test_page_in_another_unit_never_names_yuan(unit: MoneyUnit) -> None:
    assert len(PACKETS) > 10
    seen = set()
    for packet, (user_id, credited, language), now_ms in product(PACKETS, VIEWERS, (pages.SOON, pages.LATE)):
        viewer = pages.viewer(packet, user_id, language)._replace(money=unit)
        for page in (open_page(packet, viewer, now_ms), result_page(packet, viewer, now_ms, credited=credited)):
            assert yuan_in(texts_of(page)) == []
            seen.update(re.findall(r"[\d,.]+ ?(?:积分|points|金币|gold coins)", texts_of(page)))
    assert len(seen) > 10


@pytest.mark.parametrize("unit", [POINTS, COINS], ids=["points", "coins"])
@pytest.mark.parametrize("language", Language)
def test_share_of_points_is_good_for_packets_alone(unit: MoneyUnit, language: Language) -> None:
    notes = {YUAN: set[str](), unit: set[str]()}
    for money, at_ms in product(notes, range(12)):
        packet = pages.known(PacketKind.LUCKY, pages.BEN)
        own = packet.claims[pages.BEN]
        own = Claim(own.index, own.user_id, own.amount_fen, own.at_ms + at_ms)
        packet = packet._replace(claims={pages.BEN: own})
        viewer = pages.viewer(packet, pages.BEN, language)._replace(money=money)
        page = result_page(packet, viewer, pages.SOON, credited=True)
        assert page is not None
        notes[money].add(page.note)
    assert len(notes[YUAN]) == len(USES)
    assert notes[unit] == {say(language, Text.USE_TO_SEND, {}, unit)}


def test_page_in_points_has_whole_numbers() -> None:
    packet = pages.known(PacketKind.LUCKY, pages.BEN, pages.CAI, pages.DEE)
    for language, shown in (
        (Language.ZH, "3个红包共1,000积分,"),
        (Language.EN, "3 red packets, 1,000 points in all,"),
    ):
        viewer = pages.viewer(packet, pages.ANN, language)._replace(money=POINTS)
        page = result_page(packet, viewer, pages.SOON, credited=True)
        assert page is not None
        assert page.summary.startswith(shown)


def test_viewer_of_yuan_reads_the_texts_of_always() -> None:
    packet = pages.known(PacketKind.LUCKY, pages.BEN)
    page = result_page(packet, Viewer(pages.ANN, True, True, Language.ZH, YUAN), pages.SOON, credited=True)
    assert page is not None
    assert page.summary == "已领取1/3个,共1.23/10.00元"


@pytest.mark.parametrize("request_", [lucky(amount_fen=4), lucky(amount_fen=10**9)], ids=["small", "large"])
def test_refusal_of_an_amount_names_what_it_counts(request_: packet_request.PacketRequest) -> None:
    with pytest.raises(RequestRefused, match=r"^amount_fen: \d+ points, allowed are") as refused:
        packet_request.check(request_, LIMITS, 5, POINTS.smallest)
    assert yuan_in(refused.value.detail) == []
