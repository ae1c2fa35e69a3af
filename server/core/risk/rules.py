"""Rules: compiled once, each judged by itself, their hits joined to one decision.

`when` is an expression of the library rule-engine over numbers: comparisons, and/or/not, + - * / %. What else the
library knows (functions, clocks, chance, texts, patterns, comprehensions, powers) is refused, so that a rule always
ends and says the same of the same facts. Numbers are decimal: a threshold that is met exactly is met.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import rule_engine
from rule_engine.errors import EngineError

from server.core.risk.actions import HOLDS_WITHDRAWALS, STRICTNESS, TOLD_TO_BACKEND, RiskAction, RiskVerdict
from server.core.risk.facts import FACTS

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
WHEN_CHARACTERS_MAX: Final = 1_000
SAYS_CHARACTERS_MAX: Final = 200
RULES_MAX: Final = 100
_ALLOWED: Final = re.compile(r"[A-Za-z0-9_\s.<>=!()+*/%-]+")
_REFUSED: Final = re.compile(r"\*\*|<<|>>|[A-Za-z_)]\s*\.")  # powers, shifts, attributes


class BadRule(ValueError):
    """A rule cannot be used; the message is one line with its name."""


class RiskRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule as it stands in the file. `send_fen_a_day`: of `limit` alone."""

    name: str
    when: str
    then: RiskAction
    says: str
    send_fen_a_day: int | None = None


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of rules."""

    rules: list[RiskRule]


class RiskDecision(NamedTuple):
    """What rules say of a user: those that hit, in the order of the file; those that failed, with the reason.

    `events`: what the chat backend is asked for, in the order of the actions.
    """

    verdict: RiskVerdict
    hits: list[str]
    events: list[str]
    errors: dict[str, str]


class RuleBook:
    """Rules that are ready to be judged by. Raises BadRule."""

    def __init__(self, rules: Sequence[RiskRule]) -> None:
        """No rules at all allow everything."""
        if len(rules) > RULES_MAX or len({rule.name for rule in rules}) < len(rules):
            raise BadRule(f"there may be {RULES_MAX} rules, each with a name of its own")
        self.rules = tuple(rules)
        self.encoded = msgspec.json.encode(self.rules)
        self.version = hashlib.sha256(self.encoded).hexdigest()[:12]
        types = rule_engine.type_resolver_from_dict(dict.fromkeys(FACTS, rule_engine.DataType.FLOAT))
        context = rule_engine.Context(type_resolver=types, resolver=rule_engine.resolve_item)
        self._compiled = [(rule, _compiled(rule, context)) for rule in self.rules]

    def decide(self, facts: Mapping[str, int]) -> RiskDecision:
        """Judge by every rule. One that fails is told of in `errors`, and neither hits nor stops the others."""
        hits: list[RiskRule] = []
        errors: dict[str, str] = {}
        for rule, compiled in self._compiled:
            try:
                if compiled.evaluate(facts):
                    hits.append(rule)
            except Exception as error:  # whatever the library meets in one rule: a long one recurses too deep
                errors[rule.name] = _one_line(error)
        events = sorted({rule.then for rule in hits} & TOLD_TO_BACKEND, key=STRICTNESS.__getitem__)
        return RiskDecision(_verdict(hits), [rule.name for rule in hits], list(map(str, events)), errors)


def _verdict(hits: Sequence[RiskRule]) -> RiskVerdict:
    """All effects of the hits; the first one of the strictest action names them."""
    if not hits:
        return RiskVerdict()
    strictest = max(hits, key=lambda rule: STRICTNESS[rule.then])
    holding = [rule for rule in hits if rule.then in HOLDS_WITHDRAWALS]
    limits = [rule.send_fen_a_day for rule in hits if rule.send_fen_a_day is not None]
    speaking = max(holding, key=lambda rule: STRICTNESS[rule.then]) if holding else strictest
    return RiskVerdict(strictest.then, bool(holding), min(limits, default=None), speaking.says)


def _compiled(rule: RiskRule, context: Any) -> Any:
    _check(rule)
    try:
        compiled = rule_engine.Rule(rule.when, context=context)
    except EngineError as error:
        raise BadRule(f"{rule.name}: when: {_one_line(error)}") from None
    except RecursionError:
        raise BadRule(f"{rule.name}: when: it has too many parts") from None
    if compiled.statement.expression.result_type != rule_engine.DataType.BOOLEAN:
        raise BadRule(f"{rule.name}: when: a comparison is needed, this is a number")
    return compiled


def _check(rule: RiskRule) -> None:
    """What needs no library."""
    if not NAME.fullmatch(rule.name):
        raise BadRule(f"{rule.name[:64]}: a name is 1 to 64 small letters, digits and -")
    if not rule.when.strip():
        raise BadRule(f"{rule.name}: when: it is empty; a rule for every user says true")
    if len(rule.when) > WHEN_CHARACTERS_MAX:
        raise BadRule(f"{rule.name}: when: more than {WHEN_CHARACTERS_MAX} characters")
    if not _ALLOWED.fullmatch(rule.when) or _REFUSED.search(rule.when):
        raise BadRule(f"{rule.name}: when: facts, numbers, comparisons, and, or, not, + - * / % and brackets only")
    if not 1 <= len(rule.says) <= SAYS_CHARACTERS_MAX or not rule.says.isprintable():
        raise BadRule(f"{rule.name}: says: 1 to {SAYS_CHARACTERS_MAX} characters of one line")
    if (rule.then is RiskAction.LIMIT) != (rule.send_fen_a_day is not None):
        raise BadRule(f"{rule.name}: send_fen_a_day belongs to limit, and limit needs it")
    if rule.send_fen_a_day is not None and rule.send_fen_a_day < 0:
        raise BadRule(f"{rule.name}: send_fen_a_day is 0 or more")


def _one_line(error: Exception) -> str:
    words = getattr(error, "message", "") or str(error) or type(error).__name__
    return " ".join(str(words).split())[:200]
