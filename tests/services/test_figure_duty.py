"""Which of several workers reads figures about the whole database."""

from __future__ import annotations

from server.services.runtime.figure_duty import DUTY_S, FigureDuty


class SetTime:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


def test_server_of_one_process_always_has_the_duty() -> None:
    now_s = SetTime()
    duty = FigureDuty(now_s)
    duty.renew()
    now_s.s += 1e9
    assert duty.is_held


def test_worker_has_the_duty_while_it_is_asked() -> None:
    now_s = SetTime()
    duty = FigureDuty(now_s, is_shared=True)
    assert not duty.is_held
    for _ in range(3):
        duty.renew()
        now_s.s += DUTY_S - 0.1
        assert duty.is_held
    now_s.s += 0.1
    assert not duty.is_held
    duty.renew()
    assert duty.is_held
