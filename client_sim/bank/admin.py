"""The admin page of the bank: its journal, its orders, the text messages that were "sent", and its faults."""

from __future__ import annotations

import re
import sqlite3
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from client_sim.bank.books import BankRefuses
from client_sim.bank.faults import HARMLESS, BillFault, Fault, FaultPlan
from client_sim.bank.server import BankServer

PAGE: Final = Path(__file__).with_name("admin.html")
BILL_PATH: Final = re.compile(r"/admin/bills/(\d{4}-\d\d-\d\d)\.csv(\.sig)?")
ROWS: Final = 100  # of each list
POLICY: Final = (
    "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
QUERIES: Final = {
    "accounts": "SELECT name, fen FROM accounts ORDER BY name LIMIT ?",
    "orders": "SELECT number, kind, fen, result, reason, bank_ref, fault, calls, at_s FROM orders "
    "ORDER BY rowid DESC LIMIT ?",
    "messages": "SELECT phone, text, arrived, at_s FROM messages ORDER BY rowid DESC LIMIT ?",
    "notices": "SELECT number, body, forged, tries, answer, due_s FROM notices ORDER BY id DESC LIMIT ?",
    "journal": "SELECT at_s, what, number, said FROM journal ORDER BY id DESC LIMIT ?",
}


class AdminPages:
    """Serves the page and what it asks for: only under the names of this machine, and no other page's requests."""

    def __init__(self, bank: BankServer) -> None:
        self._bank = bank
        self._actions: Mapping[str, Callable[[dict[str, Any]], object]] = {
            "reverse": self._reverse,
            "plan": self._plan,
            "bill": self._bill,
            "notice_url": self._notice_url,
            "ahead": self._ahead,
        }

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """The answer, or None: it is no request of this page."""
        if request.path not in ("/", "/admin") and not request.path.startswith("/admin/"):
            return None
        if not _is_here(request.headers.get("Host", "")):
            return web.Response(status=403)
        if request.path in ("/", "/admin"):
            return _page()
        if request.path == "/admin/state":
            return web.json_response(self.state())
        if (bill := BILL_PATH.fullmatch(request.path)) is not None:
            return self._file(date.fromisoformat(bill[1]), is_signature=bool(bill[2]))
        if request.path == "/admin/do" and request.content_type == "application/json":
            return await self._do(request)
        return web.Response(status=404)

    def state(self) -> dict[str, Any]:
        """All that the page shows."""
        bank = self._bank
        lists = {name: [dict(row) for row in bank.books.rows(query, ROWS)] for name, query in QUERIES.items()}
        plan = bank.orders.plan
        return {
            **lists,
            "wrong": bank.books.discrepancies(),
            "now_s": bank.now_s(),
            "ahead_s": bank.ahead_s,
            "notice_url": bank.notices.url,
            "plan": {"seed": plan.seed, "share": plan.share, "bill_share": plan.bill_share},
            "faults": [fault.value for fault in Fault],
            "bill_faults": [fault.value for fault in BillFault],
        }

    async def _do(self, request: web.BaseRequest) -> web.Response:
        try:
            asked = await request.json()
            done = self._actions[asked["action"]](asked)
        except BankRefuses as error:
            return web.json_response({"error": str(error)}, status=409)
        except (KeyError, TypeError, ValueError, sqlite3.Error) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response({"done": done})

    def _reverse(self, asked: dict[str, Any]) -> object:
        with self._bank.books.transaction():
            return self._bank.orders.reverse(str(asked["number"]), self._bank.now_s())

    def _plan(self, asked: dict[str, Any]) -> object:
        faults = [Fault(one) for one in asked.get("faults") or HARMLESS]
        share, bill_share = float(asked["share"]), float(asked["bill_share"])
        self._bank.use(FaultPlan(int(asked["seed"]), share, bill_share, faults))
        return True

    def _bill(self, asked: dict[str, Any]) -> object:
        self._bank.bills.order_fault(date.fromisoformat(asked["day"]), BillFault(asked["fault"]))
        return True

    def _notice_url(self, asked: dict[str, Any]) -> object:
        self._bank.notices.url = str(asked["to"])
        return True

    def _ahead(self, asked: dict[str, Any]) -> object:
        self._bank.ahead_s = float(asked["seconds"])
        return True

    def _file(self, day: date, *, is_signature: bool) -> web.Response:
        bill = self._bank.bills.bill(day, self._bank.now_s())
        if bill is None:
            return web.Response(status=404)
        if is_signature:
            return web.json_response(bill.signature_file(self._bank.merchant))
        return web.Response(body=bill.csv.encode(), content_type="text/csv", charset="utf-8")


@cache
def _text() -> tuple[str, str]:
    """The page, and its policy, which allows its style and its script and nothing else."""
    page = PAGE.read_text("utf-8")
    policy = POLICY
    for directive, tag in (("style-src", "style"), ("script-src", "script")):
        content = page.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        policy += f"; {directive} 'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
    return page, policy


def _page() -> web.Response:
    page, policy = _text()
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
    return web.Response(text=page, content_type="text/html", headers=headers)


def _is_here(host: str) -> bool:
    """Whether a Host header is an address or localhost: another name could be one that a page leads here."""
    name = host.rpartition(":")[0] or host
    try:
        return name == "localhost" or bool(ip_address(name.strip("[]")))
    except ValueError:
        return False
