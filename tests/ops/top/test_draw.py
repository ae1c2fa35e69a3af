"""The screen of `hongbao top`, drawn from literal answers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from msgspec import to_builtins
from rich.console import Console, RenderableType

from server.ops.samples.sample import PeerFigures
from server.top.curve import curve
from server.top.draw import draw, snapshot
from server.top.state import Answers, KeyPress, TopState, Unreachable
from tests.ops.samples import WORKERS
from tests.ops.top.answers import answers

AT_MS = 1_700_000_000_000
FULL = TopState().after(Answers.of(answers()))
SCREEN = """\
hongbao  serving  postgres up  redis up  durability postgres  up 1 day, 2:03:04

connections 1,234,567  users 1,200,345  packets 54,321  memory 12.5 GiB
in flight 4,321        backlog 765,432  oldest 1:02:03  new/s 322
requests/s   43,551                 █ claims/batch        220                  █
wins/s       20,988                 █ postgres p50 ms     6.5                  █
sends/s         122                 █ postgres p99 ms    28.8                  █
pushes/s     81,234                 █ redis p50 ms        2.3                  █
refusals/s   12,391                 █ redis p99 ms        9.9                  █
open p50 ms     8.8                 █ loop lag ms        12.5                  █
open p99 ms    49.5                 █ settled/s        19,876                  █
requests         /s  refusals              /s  hottest packets      opens   left
grab         22,001  store unavailable 12,345  9112345678901234560 98,205 12,345
open         21,346  rate limited        45.6  9112345678901234561 98,204      0
send packet     123                            9112345678901234562 98,203      -
say            67.8                            9112345678901234563 98,202      3
3 others       12.8                            9112345678901234564 98,201      4
            user  pending▼      idle  requests connected address
9007199254740000 1,022 KiB   1:00:00 7,654,321  23:59:59 203.0.113.100:65100
               -   925 KiB   1:00:01 7,654,320  23:59:58 203.0.113.101:65101
9007199254740002   827 KiB   1:00:02 7,654,319  23:59:57 203.0.113.102:65102
9007199254740003   729 KiB   1:00:03 7,654,318  23:59:56 203.0.113.103:65103
9007199254740004   632 KiB   1:00:04 7,654,317  23:59:55 203.0.113.104:65104
sort by  p pending  i idle  r requests    h help   q quit"""


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times are shown in the local zone; the test sets it to UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def lines(content: RenderableType, width: int, height: int) -> list[str]:
    """The lines of a screen of this size."""
    console = Console(width=width, height=height, color_system=None)
    with console.capture() as captured:
        console.print(content)
    return [line.rstrip() for line in captured.get().splitlines()]


def screen(state: TopState, width: int = 80, height: int = 24) -> list[str]:
    """A state, drawn on a screen."""
    return lines(draw(state, width, height), width, height)


def test_screen_of_80_by_24_fits_large_numbers() -> None:
    assert "\n".join(screen(FULL)) == SCREEN


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (81, 25), (120, 37)])
def test_output_has_the_size_of_the_screen(width: int, height: int) -> None:
    found = screen(FULL, width, height)
    assert len(found) == height
    assert max(map(len, found)) <= width
    assert "…" not in "".join(found)
    assert "q quit" in found[-1]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (10, 5), (40, 10), (79, 23), (500, 3)])
def test_output_for_a_small_screen_has_its_height(width: int, height: int) -> None:
    assert len(screen(FULL, width, height)) == height
    assert len(screen(FULL.after(Unreachable(AT_MS, "gone")), width, height)) == height


def test_larger_screen_shows_more_rows() -> None:
    found = "\n".join(screen(FULL, 100, 45))
    for more in ("get balance", "catch up", "9112345678901234569", "203.0.113.109:65109"):
        assert more not in SCREEN
        assert more in found
    assert "others" not in found


def test_screen_of_a_new_server_has_no_values() -> None:
    raw = answers()
    raw["recent"]["rates"] |= {"requests_per_s": {}, "refusals_per_s": {}, "open_ms": {"p50": None, "p99": None}}
    raw["recent"]["now"]["figures"] = None
    raw["recent"]["hottest"] = raw["listed"]["connections"] = []
    raw["last_second"] = raw["recent"]
    found = screen(TopState().after(Answers.of(raw)))
    assert len(found) == 24
    assert "backlog - " in found[3]
    assert found[9].startswith("open p50 ms       -  ")


def test_problems_are_on_the_second_line() -> None:
    raw = answers(
        ready=False,
        reasons=["the server is draining"],
        degraded=["redis is away: opens go on without the mirror"],
        stores={"postgres": "up", "redis": "away: opens go on without the mirror"},
    )
    found = screen(TopState().after(Answers.of(raw)))
    assert "redis away" in found[0]
    assert found[1] == "the server is draining; redis is away: opens go on without the mirror"


def test_long_problems_take_lines_from_the_lists() -> None:
    raw = answers(reasons=["postgres is away: " + "no such file or directory, " * 20])
    found = screen(TopState().after(Answers.of(raw)))
    assert len(found) == 24
    assert found[1].startswith("postgres is away")
    assert found[3].endswith("…")
    assert [line[:11] for line in found[4:6]] == ["connections", "in flight 4"]
    assert found[-2].startswith("9007199254740003")


def test_control_characters_in_a_reason_are_replaced() -> None:
    found = screen(TopState().after(Answers.of(answers(reasons=["\x1b[2J[bold]no"]))))
    assert found[1] == "?[2J[bold]no"


def test_unreachable_is_shown_above_the_last_answers() -> None:
    found = screen(FULL.after(Unreachable(AT_MS, "no server is running")))
    assert found[1] == "no answer since 2023-11-14 22:13:20+00:00: no server is running; retrying"
    assert found[0] == "hongbao"  # the last state may be wrong
    assert found[2:] == SCREEN.splitlines()[2:]


def test_screen_before_the_first_answer_says_that_it_waits() -> None:
    assert screen(TopState()) == ["hongbao", "waiting for the first answer", *[""] * 21, SCREEN.splitlines()[-1]]
    found = screen(TopState().after(Unreachable(AT_MS, "no server is running")))
    assert found[1].startswith("no answer since 2023-11-14 22:13:20")


@pytest.mark.parametrize(("key", "title"), [("i", "idle▼"), ("r", "requests▼"), ("p", "pending▼")])
def test_sorted_column_is_marked(key: str, title: str) -> None:
    found = "\n".join(screen(FULL.after(KeyPress(key))))
    assert title in found
    assert found.count("▼") == 1


def test_payments_have_a_line_where_there_is_a_gateway() -> None:
    payments = {"created": 1, "submitted": 2, "unknown": 34, "oldest_s": 75.0, "breaks": 5, "away": ["bank"]}
    found = screen(TopState().after(Answers.of(answers(payments=payments))))
    assert "payments  bank away  breaks 5  unknown 34  oldest 0:01:15  submitted 2  created…" in found
    assert len(found) == len(screen(FULL))
    quiet = screen(TopState().after(Answers.of(answers(payments=payments | {"breaks": 0, "away": []}))))
    assert "payments  breaks 0  unknown 34  oldest 0:01:15  submitted 2  created 1" in quiet
    assert not any(line.startswith("payments") for line in screen(FULL))


def test_peers_have_a_line_where_there_are_some() -> None:
    told = answers()
    told["recent"]["now"]["peers"] = to_builtins(PeerFigures(waiting=12, gaps=7))
    told["recent"]["now"]["links"] = {"up": {"unix": 2, "tcp": 1}, "missing": {"a": "away"}}
    told["recent"]["rates"] |= {"forwarded_per_s": 9_876.5, "peer_events_per_s": 54.3, "messages_per_frame": 6.5}
    found = screen(TopState().after(Answers.of(told)), width=120)
    line = (
        "peers  1 links missing  links 3  forwarded/s 9,876  waiting 12  events/s 54.3  messages/frame 6.5  gaps 7"
    )
    assert line in found
    assert not any(one.startswith("peers") for one in screen(FULL))  # an older server does not tell
    told["recent"]["now"]["links"]["missing"] = {}
    assert "peers  links 3  forwarded/s 9,876" in "\n".join(screen(TopState().after(Answers.of(told))))


def test_workers_have_lines_where_there_are_several() -> None:
    rows = to_builtins(WORKERS)
    found = screen(TopState().after(Answers.of(answers(workers=rows))))
    assert len(found) == 24
    assert [" ".join(line.split()) for line in found[4:7]] == [
        "worker connections links loop lag memory ends up state",
        "0 1,234 3 12.5 ms 63 MiB 0 1:02:05 serving",
        "1 0 0 0.0 ms 0 B 5 0:00:00 given up signal 9",
    ]
    many = [{**rows[0], "worker": number} for number in range(20)] + [{**rows[1], "worker": 20}]
    found = screen(TopState().after(Answers.of(answers(workers=many))), height=60)
    shown = [line.split()[0] for line in found if line.endswith(("serving", "signal 9"))]
    assert shown == ["0", "1", "2", "3", "4", "5", "6", "20"]  # those that do not serve are always shown


def test_help_fits_the_screen() -> None:
    found = screen(FULL.after(KeyPress("h")))
    assert found[-1] == ""  # nothing is cut off
    assert any(line.startswith("q  ") for line in found)


def test_snapshot_has_no_keys_and_no_curves() -> None:
    found = "\n".join(lines(snapshot(FULL, 80), 80, 24))
    for word in ("20,988", "get balance", "9112345678901234569", "203.0.113.109:65109"):
        assert word in found
    assert "q quit" not in found
    assert "█" not in found


@pytest.mark.parametrize(
    ("points", "width", "drawn"),
    [
        ((), 3, "   "),
        ((0.0, 0.0), 3, " ▁▁"),
        ((0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0), 8, "▁▂▃▄▅▆▇█"),
        ((None, 5.0, None), 4, "  █ "),
        ((1000.0, 1.0, 2.0), 2, "▅█"),
        ((None,), 1, " "),
    ],
)
def test_curve_is_scaled_to_its_highest_point(points: tuple[float | None, ...], width: int, drawn: str) -> None:
    assert curve(points, width) == drawn
