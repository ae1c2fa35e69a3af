"""Files of statements on disk: verified before anything is imported. Each refusal is one line."""

from __future__ import annotations

import hashlib
import os
import stat
from base64 import b64decode
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import date
from io import BufferedReader
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from protocol.undecodable import UNDECODABLE
from server.core.key_pairs import checker
from server.core.reconciliation.days import is_over
from server.core.reconciliation.statement_file import (
    HEADER,
    ISSUE_MAX,
    LINE_BYTES_MAX,
    ROWS_MAX,
    BadStatement,
    StatementClaim,
    check_lines,
)
from server.gateways.port import BankStatement
from server.services.reconciliation.sources import Sources

SIGNATURE_BYTES_MAX: Final = 16_384
PIECE_BYTES: Final = 1 << 16  # checked at once: a millisecond of the processor


class SignedStatement(NamedTuple):
    """A file whose signature and digest are right."""

    path: Path
    claim: StatementClaim
    serial: str
    signature: str


class _Signature(msgspec.Struct, frozen=True):
    """What stands in NAME.csv.sig."""

    gateway: str
    merchant: str
    day: date
    issue: int
    rows: int
    sha256: str
    serial: str
    signature: str


def verify_file(path: Path, sources: Sources, now_ms: int) -> SignedStatement:
    """Read what is signed about a file, and digest the file. Raises BadStatement. It blocks: for a thread."""
    signed = _signature(path.with_name(path.name + ".sig"))
    source = sources.get(signed.gateway)
    if source is None:
        known = ", ".join(sources) or "none"
        raise BadStatement(f"gateway {signed.gateway!r} has no statements here (known: {known})")
    if signed.merchant != source.merchant:
        raise BadStatement(f"it is for the merchant {signed.merchant!r}, not {source.merchant!r}")
    claim = StatementClaim(signed.gateway, signed.merchant, signed.day, signed.issue, signed.rows, signed.sha256)
    key = source.keys.get(signed.serial)
    if key is None:
        raise BadStatement(f"the bank's key {signed.serial!r} is not known")
    if not _is_signed(key, claim.signed_text, signed.signature):
        raise BadStatement("the signature is not one of the bank")
    if not 1 <= claim.issue <= ISSUE_MAX or not 0 <= claim.rows <= ROWS_MAX:
        raise BadStatement(f"issue {claim.issue} with {claim.rows} rows is out of bounds")
    if not is_over(claim.day, now_ms):
        raise BadStatement(f"its day {claim.day} is not over")
    _check_digest(path, claim)
    return SignedStatement(path, claim, signed.serial, signed.signature)


def write_statement(folder: Path, gateway: str, statement: BankStatement) -> Path:
    """Put a statement and its signature into a folder, as new files; the first one. It blocks: for a thread.

    What is there under the same names is replaced. Raises BadStatement if the folder cannot be written.
    """
    path = folder / f"{gateway}-{statement.day}-{statement.issue}.csv"
    try:
        for one, content in ((path.with_name(path.name + ".sig"), statement.signature), (path, statement.csv)):
            beside = one.with_name(f".{one.name}.{os.getpid()}")
            beside.write_bytes(content)
            beside.replace(one)
    except OSError as error:
        raise BadStatement(f"{folder}: {(error.strerror or str(error)).lower()}") from None
    return path


def pieces_of(statement: SignedStatement) -> Generator[bytes, None, None]:
    """The lines of a statement in pieces of whole lines, checked. Raises BadStatement, also if the file has changed
    since it was verified: then at the end.
    """
    digest = hashlib.sha256(HEADER)
    with _opened(statement.path) as file:
        if file.readline(LINE_BYTES_MAX) != HEADER:
            raise BadStatement("the first line is not the header of a statement")
        while piece := file.read(PIECE_BYTES):
            if not piece.endswith(b"\n"):
                piece += file.readline(LINE_BYTES_MAX)
            check_lines(piece)
            digest.update(piece)
            yield piece
    if digest.hexdigest() != statement.claim.sha256:
        raise BadStatement("the file has changed while it was read")


def _signature(path: Path) -> _Signature:
    if not path.exists():
        raise BadStatement(f"it is not signed: there is no {path.name}")
    with _opened(path) as file:
        text = file.read(SIGNATURE_BYTES_MAX)
    try:
        return msgspec.json.decode(text, type=_Signature)
    except UNDECODABLE as error:
        raise BadStatement(f"{path.name} cannot be read: {error}") from None


def _is_signed(key: str, text: bytes, signature: str) -> bool:
    try:
        return checker(key)(text, b64decode(signature, validate=True))
    except ValueError:  # no base64, or no key
        return False


def _check_digest(path: Path, claim: StatementClaim) -> None:
    with _opened(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest == claim.sha256:
            return
        file.seek(0)
        rows = sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b"")) - 1
    why = f"it has {rows} of {claim.rows} rows" if rows < claim.rows else "it was changed"
    raise BadStatement(f"the digest is not the one that the bank signed: {why}")


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    """A regular file, and nothing that could block. Raises BadStatement."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BadStatement(f"{path.name} is not a file")
            yield file
    except OSError as error:
        raise BadStatement(f"{path}: {(error.strerror or str(error)).lower()}") from None
