"""Rules: thresholds, rules that fail, the order of actions, and what a file may not say."""

from __future__ import annotations

import tomllib

import msgspec
import pytest

from server.core.risk.actions import STRICTNESS, RiskAction, RiskVerdict
from server.core.risk.facts import FACTS
from server.core.risk.rules import BadRule, RiskDecision, RiskRule, RuleBook, RuleFile
from server.services.risk.rule_files import DEFAULT

NOTHING = dict.fromkeys(FACTS, 0)
OLD = NOTHING | {"account_age_s": 10_000_000}


def rule(when: str, then: RiskAction = RiskAction.REVIEW, name: str = "one", cap: int | None = None) -> RiskRule:
    return RiskRule(name, when, then, f"{name} says", cap)


def hits(when: str, **facts: int) -> bool:
    decision = RuleBook([rule(when)]).decide(NOTHING | facts)
    assert decision.errors == {}
    return decision.hits == ["one"]


@pytest.mark.parametrize(
    ("when", "below", "met", "above"),
    [
        ("opens_1m >= 20", False, True, True),
        ("opens_1m > 20", False, False, True),
        ("opens_1m <= 20", True, True, False),
        ("opens_1m < 20", True, False, False),
        ("opens_1m == 20", False, True, False),
        ("opens_1m * 0.1 >= 2", False, True, True),  # decimal: twenty times a tenth is two
        ("not (opens_1m < 20)", False, True, True),
    ],
)
def test_threshold_that_is_met_exactly_is_met(when: str, below: bool, met: bool, above: bool) -> None:
    assert [hits(when, opens_1m=count) for count in (19, 20, 21)] == [below, met, above]


def test_rule_that_fails_is_told_and_stops_no_other() -> None:
    fails = rule("sent_fen / received_fen > 2", RiskAction.FREEZE, "fails")
    book = RuleBook([rule("true", name="before"), fails, rule("true", RiskAction.DENY, "after")])
    decision = book.decide(NOTHING)
    assert decision.hits == ["before", "after"]
    assert decision.verdict.action is RiskAction.DENY
    assert list(decision.errors) == ["fails"]
    assert "arithmetic" in decision.errors["fails"]
    assert book.decide(NOTHING | {"received_fen": 1, "sent_fen": 3}).verdict.action is RiskAction.FREEZE


def test_rule_that_is_too_deep_where_it_is_judged_fails_alone() -> None:
    long = rule("opens_1m" + "+1" * 400 + " > 5", RiskAction.FREEZE, "long")
    book = RuleBook([rule("true", name="before"), long, rule("true", RiskAction.DENY, "after")])

    def decide(depth: int) -> RiskDecision:  # as deep in calls as a round may be
        return book.decide(NOTHING) if depth == 0 else decide(depth - 1)

    decision = decide(300)
    assert decision.hits == ["before", "after"]
    assert list(decision.errors) == ["long"]
    with pytest.raises(BadRule, match="too many parts"):
        RuleBook([rule("opens_1m" + "+1" * 494 + ">5")])


@pytest.mark.parametrize("when", ["", " ", "\n"])
def test_empty_condition_is_refused(when: str) -> None:
    with pytest.raises(BadRule, match="empty"):
        RuleBook([rule(when)])


def test_condition_true_hits_everybody_and_no_rules_allow_everything() -> None:
    assert hits("true")
    assert not hits("false")
    assert RuleBook([]).decide(NOTHING).verdict == RiskVerdict()


def test_strictest_hit_names_the_decision_in_whatever_order() -> None:
    rules = [rule("true", then, str(then), 5 if then is RiskAction.LIMIT else None) for then in RiskAction]
    for one in (rules, rules[::-1]):
        for count in range(1, len(one) + 1):
            found = RuleBook(one[:count]).decide(NOTHING).verdict.action
            assert found is max((one.then for one in one[:count]), key=lambda then: STRICTNESS[then])


def test_effects_of_all_hits_hold_under_the_name_of_the_strictest() -> None:
    waits, limit = rule("true", RiskAction.DELAY, "waits"), rule("true", RiskAction.LIMIT, "small", 500)
    less = rule("true", RiskAction.LIMIT, "smaller", 200)
    assert RuleBook([waits, limit, less]).decide(NOTHING).verdict == RiskVerdict(
        RiskAction.LIMIT, True, 200, "waits says"
    )
    assert RuleBook([limit]).decide(NOTHING).verdict == RiskVerdict(RiskAction.LIMIT, False, 500, "small says")


@pytest.mark.parametrize(
    "when",
    [
        "opens_1m",
        "nothing_known > 1",
        "opens_1m >",
        "opens_1m > true",
        "opens_1m.length > 1",
        "$now() > 1",
        "opens_1m(1) > 1",
        '"a" == "a"',
        "[one for one in [1]] == [1]",
        "9 ** 9 ** 9 > 1",
        "1 << 9 > 1",
        "opens_1m > 1 " + "and opens_1m > 1 " * 100,
    ],
)
def test_what_is_no_comparison_of_facts_is_refused(when: str) -> None:
    with pytest.raises(BadRule, match="one: when: "):
        RuleBook([rule(when)])


@pytest.mark.parametrize(
    "one",
    [
        rule("true", name="Name"),
        rule("true", RiskAction.LIMIT),
        rule("true", RiskAction.DENY, cap=1),
        rule("true", RiskAction.LIMIT, cap=-1),
        RiskRule("one", "true", RiskAction.DENY, ""),
        RiskRule("one", "true", RiskAction.DENY, "two\nlines"),
    ],
)
def test_rule_with_a_wrong_part_is_refused(one: RiskRule) -> None:
    with pytest.raises(BadRule):
        RuleBook([one])


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(BadRule, match="name of its own"):
        RuleBook([rule("true"), rule("false")])


def test_version_changes_with_any_part_of_a_rule() -> None:
    books = [RuleBook([one]) for one in (rule("true"), rule("false"), rule("true", RiskAction.DENY))]
    assert len({book.version for book in books}) == 3
    assert RuleBook([rule("true")]).version == books[0].version


# --- the rules that come with hongbao -----------------------------------------------------------------------------

BOT = OLD | {"reactions": 30, "reaction_median_ms": 299, "reaction_spread_ms": 99}
CIRCLE_PARTS = {"circle_users_1d": 3, "circle_percent_1d": 81, "circle_fen_1d": 10_000}
CIRCLE = OLD | CIRCLE_PARTS | {"partners_1d": 5, "sends_1d": 5}
RING = OLD | {"mutual_percent_1d": 81, "partners_1d": 5, "sends_1d": 5, "flow_fen_1d": 20_000}


@pytest.mark.parametrize(
    ("facts", "hit", "action"),
    [
        (OLD, [], RiskAction.ALLOW),
        (OLD | {"account_age_s": 604_800}, [], RiskAction.ALLOW),
        (OLD | {"account_age_s": 604_799}, ["new-account-sends"], RiskAction.LIMIT),
        (OLD | {"account_age_s": 86_400}, ["new-account-sends"], RiskAction.LIMIT),
        (OLD | {"account_age_s": 86_399}, ["new-account-sends", "new-account-withdraws"], RiskAction.LIMIT),
        (OLD | {"opens_1m": 20}, [], RiskAction.ALLOW),
        (OLD | {"opens_1m": 21}, ["many-opens"], RiskAction.REVIEW),
        (BOT, ["fast-bot"], RiskAction.CHALLENGE),
        (BOT | {"reactions": 29}, [], RiskAction.ALLOW),
        (BOT | {"reaction_median_ms": 300}, [], RiskAction.ALLOW),
        (BOT | {"reaction_spread_ms": 100}, [], RiskAction.ALLOW),
        (BOT | {"sent_packets": 1}, [], RiskAction.ALLOW),
        (BOT | {"reaction_median_ms": 1_000, "reaction_spread_ms": 249}, ["steady-bot"], RiskAction.CHALLENGE),
        (BOT | {"reaction_median_ms": 1_000, "reaction_spread_ms": 250}, [], RiskAction.ALLOW),
        (RING, ["ring"], RiskAction.REVIEW),
        (RING | {"mutual_percent_1d": 80}, [], RiskAction.ALLOW),
        (RING | {"sends_1d": 4}, [], RiskAction.ALLOW),
        (RING | {"partners_1d": 6}, [], RiskAction.ALLOW),
        (OLD | {"card_users": 3}, [], RiskAction.ALLOW),
        (OLD | {"card_users": 4}, ["shared-card"], RiskAction.REVIEW),
        (OLD | {"device_users": 3}, [], RiskAction.ALLOW),
        (OLD | {"device_users": 4}, ["shared-device"], RiskAction.REVIEW),
        (CIRCLE, ["circle"], RiskAction.REVIEW),
        (CIRCLE | {"circle_users_1d": 2}, [], RiskAction.ALLOW),
        (CIRCLE | {"circle_percent_1d": 80}, [], RiskAction.ALLOW),
        (CIRCLE | {"circle_fen_1d": 9_999}, [], RiskAction.ALLOW),
        (CIRCLE | {"sends_1d": 4}, [], RiskAction.ALLOW),
        (CIRCLE | {"partners_1d": 6}, [], RiskAction.ALLOW),
    ],
)
def test_default_rules_hit_at_their_thresholds(facts: dict[str, int], hit: list[str], action: RiskAction) -> None:
    book = RuleBook(msgspec.convert(tomllib.loads(DEFAULT.read_text()), RuleFile).rules)
    decision = book.decide(facts)
    assert (decision.hits, decision.verdict.action, decision.errors) == (hit, action, {})
