"""`hongbao why` and `hongbao risk`: decisions of risk control explained, its rules, cases, trials, releases.

They read the records, whether a server runs on them or not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

import cyclopts
from cyclopts import Parameter
from msgspec import ValidationError
from rich.table import Table

from server.cli.shared.numbers import Count, Hours, Id
from server.cli.shared.options import DATA, ConfigOption, DataOption, PostgresOption
from server.cli.shared.resources import CommandFailed, with_records
from server.cli.shared.streams import console, print_whole
from server.cli.shared.users import User
from server.cli.shared.words import Day, FilePath, Text
from server.clock import Clock
from server.config import load
from server.core.beijing_year import time_text
from server.core.reconciliation.days import DAY_MS, first_ms
from server.core.risk.facts import FACTS
from server.core.risk.rules import BadRule, RuleBook
from server.services.risk.backtest import backtest as try_rules
from server.services.risk.rule_files import book_of, rule_book
from storage.postgres.database import Database
from storage.postgres.risk.risk import DecisionRow, RiskStore

SHOWN_MAX: Final = 10
HOUR_MS: Final = 3_600_000
WORD: Final = re.compile(r"[a-z][a-z0-9_]*")  # of a condition: a fact, true, and, …

risk_cli = cyclopts.App(
    name="risk",
    help="Show rules and cases of risk control, try other rules, release users.",
    result_action="return_value",
)
RuleFileOption = Annotated[FilePath | None, Parameter(help="a file of rules; default: those of the config")]


def why(
    decision_or_user: Id,
    *,
    decision: bool = False,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Explain a decision of risk control, or the newest about a user.

    Shows which rules hit, the facts that they were judged by, and what is in force. Exit 1 if there is no decision.

    Example: hongbao why 4711

    Parameters
    ----------
    decision_or_user
        the number of a decision, or the id of a user; if it may be both, the user is shown
    decision
        it is the number of a decision, whether there is such a user or not
    """

    async def work(store: RiskStore) -> int:
        found = [] if decision else await store.of_user(decision_or_user, SHOWN_MAX)
        if found:
            await _show_user(store, decision_or_user, found)
            return 0
        one = await store.decision(decision_or_user)
        if one is None:
            nor = "" if decision else ", and none is about such a user"
            raise CommandFailed(f"no decision has the number {decision_or_user}{nor}")
        await _explain(store, one)
        return 0

    return _on_records(work, data, config, postgres)


@risk_cli.command
def rules(*, file: RuleFileOption = None, facts: bool = False, config: ConfigOption = None) -> int:
    """Show the rules, with what each asks for and says; or check a file of rules. Exit 1 if it cannot be used.

    Example: hongbao risk rules --file rules.toml

    Parameters
    ----------
    facts
        show the facts that a rule may name, too
    """
    book = _book(file, config)
    table = Table("rule", "when", "then", "says", title=f"version {book.version}")
    for rule in book.rules:
        then = str(rule.then) if rule.send_fen_a_day is None else f"{rule.then} {rule.send_fen_a_day} fen a day"
        table.add_row(rule.name, rule.when, then, rule.says)
    print_whole(console(), table)
    if facts:
        table = Table("fact", "meaning")
        for name, meaning in FACTS.items():
            table.add_row(name, meaning)
        print_whole(console(), table)
    return 0


@risk_cli.command
def cases(
    *,
    rule: Text = "",
    most: Count = 20,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """List the newest decisions in which a rule hit.

    Example: hongbao risk cases --rule fast-bot

    Parameters
    ----------
    rule
        only decisions in which this rule hit
    most
        length of the list
    """

    async def work(store: RiskStore) -> int:
        _show_decisions(await store.cases(most, rule))
        return 0

    return _on_records(work, data, config, postgres)


@risk_cli.command
def backtest(
    first: Day,
    last: Day,
    *,
    file: RuleFileOption = None,
    most: Count = 20,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Judge the recorded facts of some days by other rules, and show what would have been decided otherwise.

    Nothing is changed. The facts are those of the decisions that were made (mode shadow or on).

    Example: hongbao risk backtest 2026-11-01 2026-11-28 --file rules.toml

    Parameters
    ----------
    first
        the first day (of Beijing)
    last
        the last day
    most
        length of the list of differences
    """
    book = _book(file, config)

    async def work(store: RiskStore) -> int:
        past = store.past(first_ms(first), first_ms(last) + DAY_MS)
        result = await try_rules(past, book, most)
        print(f"{result.decisions:,} decisions, {result.users:,} users; {result.different:,} would be otherwise")
        table = Table("rule", "hit then", "would hit", title=f"rules {book.version}")
        for name in sorted({*result.hit_then, *result.hit_now}):
            table.add_row(name, f"{result.hit_then[name]:,}", f"{result.hit_now[name]:,}")
        print_whole(console(), table)
        table = Table("decision", "user", "time", "was", "would be", "rules that would hit")
        for one in result.differences:
            row, now = one.row, one.now
            cells = str(row.decision_id), str(row.user_id), time_text(row.at_ms), row.action
            table.add_row(*cells, str(now.verdict.action), ", ".join(now.hits))
        print_whole(console(), table)
        for name, count in result.errors.items():
            print(f"{name}: failed {count:,} times")
        return 0

    return _on_records(work, data, config, postgres)


@risk_cli.command
def release(
    user: User,
    *,
    reason: Text,
    hours: Hours = 168,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Let a user who is held back send and withdraw again; rules leave them alone for a while. It is recorded.

    Example: hongbao risk release 7 --reason "case 12: a person, seen on a call"

    Parameters
    ----------
    user
        an id, or a name as in `hongbao chat --as NAME`
    reason
        why; it stands in the record, with the user of the system who gave this command
    hours
        for how long rules change nothing for them
    """

    async def work(store: RiskStore) -> int:
        now_ms = Clock().now_ms()
        until_ms = now_ms + int(hours * HOUR_MS)
        decision = await store.release(user, now_ms, os.getuid(), until_ms, reason)
        if decision is None:
            raise CommandFailed(f"nothing holds user {user} back")
        print(f"user {user} is released until {time_text(until_ms)} (decision {decision})")
        return 0

    return _on_records(work, data, config, postgres)


def _on_records(
    work: Callable[[RiskStore], Coroutine[Any, Any, int]],
    data: DataOption,
    config: ConfigOption,
    postgres: PostgresOption,
) -> int:
    settings = load(config, {"stores.postgres": postgres})

    async def on(database: Database) -> int:
        return await work(RiskStore(database))

    return with_records(settings, data, on)


def _book(file: RuleFileOption, config: ConfigOption) -> RuleBook:
    return rule_book(str(file) if file is not None else load(config, {}).risk.rules)


async def _show_user(store: RiskStore, user_id: int, decisions: list[DecisionRow]) -> None:
    mode = (await store.state()).mode
    for row in await store.verdicts([user_id]):
        if mode != "on":
            before = f"in mode on it was {row.action} (decision {row.decision_id})"
            print(f"in force: nothing, the mode is {mode}; {before}")
            continue
        cap = "" if row.send_fen_a_day is None else f", sends at most {row.send_fen_a_day} fen in 24 hours"
        held = ", withdrawals are held back" if row.holds_withdrawals else ""
        print(f"in force: {row.action}{cap}{held} (decision {row.decision_id})")
        if row.released_until_ms:
            print(f"released by an operator until {time_text(row.released_until_ms)}")
    await _explain(store, decisions[0])
    if decisions[1:]:
        _show_decisions(decisions[1:])


async def _explain(store: RiskStore, one: DecisionRow) -> None:
    effect = "" if one.mode == "on" else ", which changed nothing (mode shadow)"
    print(f"decision {one.decision_id}: user {one.user_id}, {time_text(one.at_ms)}, rules {one.rules}")
    print(f"{one.action}{effect}")
    stored = await store.rules(one.rules)
    known = {rule["name"]: rule for rule in stored or ()}
    print(_judged_again(one, stored))
    for name in one.hits:
        rule = known.get(name, {"when": "?", "then": "?", "says": ""})
        print(f"  {name} -> {rule['then']}: {rule['says']}\n    when {rule['when']}")
        words = WORD.findall(rule["when"])
        named = [fact for fact in one.facts if fact in words]
        print("    " + ", ".join(f"{fact} = {one.facts[fact]:,}" for fact in named))
    for name, error in one.errors.items():
        print(f"  {name} failed: {error}")
    if not one.hits:
        print("  no rule hit")
    table = Table("fact", "value", "meaning")
    for fact, value in one.facts.items():
        if value:
            table.add_row(fact, f"{value:,}", FACTS.get(fact, ""))
    print_whole(console(), table)


def _judged_again(one: DecisionRow, stored: list[dict[str, Any]] | None) -> str:
    """Whether these rules and facts still come to this decision: its row is all that a check needs."""
    try:
        again = book_of(stored or []).decide(dict.fromkeys(FACTS, 0) | one.facts)
    except (BadRule, ValidationError) as error:
        return f"judged again: this version of the server cannot use the rules ({error})"
    if (again.verdict.action, again.hits) == (one.action, one.hits):
        return "judged again by these rules and facts: the same"
    hits = ", ".join(again.hits) or "no rule hit"
    return f"judged again by these rules and facts: {again.verdict.action} ({hits})"


def _show_decisions(decisions: list[DecisionRow]) -> None:
    table = Table("decision", "user", "time", "mode", "action", "rules that hit")
    for one in decisions:
        cells = str(one.decision_id), str(one.user_id), time_text(one.at_ms), one.mode, one.action
        table.add_row(*cells, ", ".join(one.hits))
    print_whole(console(), table)
