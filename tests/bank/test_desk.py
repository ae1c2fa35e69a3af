"""The admin page of the bank, as programs use it."""

from __future__ import annotations

import pytest

from client_sim.bank.admin import AdminPages
from client_sim.bank.desk import BankDesk, NoBank
from client_sim.bank.faults import Fault, card_number
from client_sim.bank.server import BankServer


async def test_desk_reads_the_code_that_a_phone_has(bank: BankServer) -> None:
    bank.pages = AdminPages(bank)
    desk = BankDesk(bank.url)
    with bank.books.transaction():
        binding, _ = bank.books.offer("r1", card_number(Fault.NONE, 7), "张三", "13800000007")
        bank.books.send("s1", binding, "验证码 123456，5 分钟内有效", 1.0)
        bank.books.send("s2", binding, "验证码 654321，5 分钟内有效", 2.0)
    try:
        assert await desk.code("13800000007") == "654321"
        with pytest.raises(NoBank, match="no text came to the phone 13800000008"):
            await desk.code("13800000008", patience_s=0.0)
        await desk.do("plan", seed=3, share=0.5, bill_share=0, faults=["reply_lost"])
        assert bank.orders.plan == (3, 0.5, 0.0, [Fault.REPLY_LOST])
        with pytest.raises(NoBank, match="ValueError"):
            await desk.do("plan", seed=3, share=0.5, bill_share=0, faults=["no such fault"])
    finally:
        await desk.close()


async def test_desk_without_a_bank_says_so() -> None:
    desk = BankDesk("http://127.0.0.1:1")
    with pytest.raises(NoBank, match="no bank at"):
        await desk.state()
    await desk.close()
