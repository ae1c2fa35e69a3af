"""Audit two books that are kept by others: exports of our payments and statements of a bank. It trusts neither.

    python example_books_auditor.py --ours ours.csv --bank 2026-11-28.csv [more days …] [--key b1=HEX --merchant M]

`ours.csv` is made by `hongbao payments export`; beside each statement lies NAME.csv.sig. Each book is first checked
by itself (digest, signature, line numbers, transfers against states), then rows and payments are compared by their
numbers, and each difference is named with its class. Exit code 1 if there is any. No code of hongbao is used, and
`cryptography` only with --key.
"""

import argparse
import csv
import hashlib
import json
import sys
from base64 import b64decode
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

BEIJING = timezone(timedelta(hours=8))
SKEW = timedelta(seconds=300)  # the clocks of both sides may differ by so much
ENDS = {"succeeded": "succeeded", "failed": "failed", "reversed": "failed"}


def statement(path, keys, merchant):
    """The rows of a statement, its day, and what is wrong with it by itself."""
    beside, text = Path(f"{path}.sig"), Path(path).read_bytes()
    about, wrong = json.loads(beside.read_text()), []
    digest = hashlib.sha256(text).hexdigest()
    rows = list(csv.DictReader(text.decode().splitlines()))
    if digest != about["sha256"]:
        wrong.append(f"{path}: its digest is {digest}, signed is {about['sha256']}")
    if len(rows) != about["rows"] or [int(row["line"]) for row in rows] != list(range(1, len(rows) + 1)):
        wrong.append(f"{path}: it has {len(rows)} rows, {about['rows']} were signed, numbered from 1")
    if keys:
        wrong += signature(path, about, keys, merchant)
    for row in rows:
        row.update(day=date.fromisoformat(about["day"]), amount_fen=int(row["amount_fen"]))
        if row["kind"] not in ("charge", "payout", "refund") or row["state"] not in ENDS:
            wrong.append(f"{path}, line {row['line']}: {row['kind']} {row['state']} is not known")
    return date.fromisoformat(about["day"]), about["issue"], rows, wrong


def signature(path, about, keys, merchant):
    """What is wrong with the signature of a statement."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signed = "\n".join(str(about[name]) for name in ("merchant", "day", "issue", "rows", "sha256"))
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys[about["serial"]]))
        key.verify(b64decode(about["signature"]), f"statement\n{signed}".encode())
    except (KeyError, InvalidSignature):
        return [f"{path}: the signature is not one of the bank"]
    return [] if about["merchant"] == merchant else [f"{path}: it is for the merchant {about['merchant']}"]


def payments(path):
    """Our payments by number, and what is wrong with them by themselves."""
    found, wrong = {}, []
    for row in csv.DictReader(Path(path).read_text("utf-8").splitlines()):
        number, amount, booked = row["number"], int(row["amount_fen"]), int(row["booked_fen"])
        row.update(amount_fen=amount, days=days(row))
        if number in found:
            wrong.append(f"{path}: payment {number} stands there twice")
        if booked != (amount if row["state"] == "succeeded" else 0):
            wrong.append(f"{path}: payment {number} of {amount} is {row['state']}, its transfers moved {booked}")
        if row["kind"] not in ("charge", "payout", "refund") or amount <= 0:
            wrong.append(f"{path}: payment {number}: {row['kind']} of {amount}")
        found[number] = row
    return found, wrong


def days(row):
    """The days (of Beijing) that a payment may stand in: from when it was recorded to when its end was known."""
    first = (datetime.fromisoformat(row["created_at"]) - SKEW).astimezone(BEIJING).date()
    last = (datetime.fromisoformat(row["changed_at"]) + SKEW).astimezone(BEIJING).date()
    return [first + timedelta(days=day) for day in range((last - first).days + 1)]


def class_of(row, ours, refs, numbers):
    """The class of a row of the bank; `refs` and `numbers`: those of the rows before it."""
    if row["bank_ref"] in refs or (row["number"].isdecimal() and (row["number"], row["kind"]) in numbers):
        return "duplicate"
    if ours is None:
        return "bank_only"
    if row["amount_fen"] != ours["amount_fen"]:
        return "amount"
    if ours["account"] not in ("", row["account"]):
        return "other_account"
    if ours["state"] not in ("succeeded", "failed"):
        return "open"
    if ENDS[row["state"]] != ours["state"]:
        return "state"
    booked = datetime.fromisoformat(row["at"]).astimezone(BEIJING).date()
    return "matched" if booked == row["day"] and row["day"] in ours["days"] else "other_day"


def compare(rows, ours, have):
    """Every row and every payment without one, with its class. `have`: the days that have a statement."""
    refs, numbers, seen = set(), set(), set()
    for row in rows:
        mine = ours.get(row["number"])
        mine = mine if mine is not None and mine["kind"] == row["kind"] else None
        yield class_of(row, mine, refs, numbers), row, mine
        refs.add(row["bank_ref"])
        numbers.add((row["number"], row["kind"]))
        if mine is not None:
            seen.add(row["number"])
    for number, mine in ours.items():
        if number not in seen and mine["state"] == "succeeded" and have.issuperset(mine["days"]):
            yield "ours_only", None, mine


def main():
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", required=True)
    parser.add_argument("--bank", required=True, nargs="+")
    parser.add_argument("--key", action="append", default=[], help="SERIAL=HEX, a public key of the bank (ed25519)")
    parser.add_argument("--merchant", default="")
    asked = parser.parse_args()
    keys = dict(one.split("=", 1) for one in asked.key)
    ours, wrong = payments(asked.ours)
    newest = {}
    for path in asked.bank:
        day, issue, rows, bad = statement(path, keys, asked.merchant)
        wrong += bad
        if issue >= newest.get(day, (0, []))[0]:
            newest[day] = issue, rows
    if not keys:
        print("signatures are not checked: give --key SERIAL=HEX and --merchant")
    count, fen = Counter(), defaultdict(int)
    for name, row, mine in compare([row for day in sorted(newest) for row in newest[day][1]], ours, set(newest)):
        count[name] += 1
        fen[name] += (row or mine)["amount_fen"]
        if name not in ("matched", "open"):
            bank = f"{row['bank_ref']} {row['kind']} {row['amount_fen']} {row['state']}" if row else "nothing"
            books = f"{mine['kind']} {mine['amount_fen']} {mine['state']}" if mine else "nothing"
            wrong.append(f"{name} {(mine or row)['number'] or '-'}: the bank says {bank}, the export {books}")
    for name in sorted(count):
        print(f"{name:14}{count[name]:10,} rows{fen[name]:18,} fen")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"both books agree ({sum(count.values())} rows)" if not wrong else f"{len(wrong)} differences")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
