"""Runs the program of a store: as an unprivileged user, in its own session, never longer than its parent."""

from __future__ import annotations

import ctypes
import fcntl
import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

ACCOUNT_VARIABLE: Final = "HONGBAO_STORE_USER"
PR_SET_PDEATHSIG: Final = 1  # from <linux/prctl.h>
PREDECESSORS_TIMEOUT_S: Final = 60.0  # PostgreSQL writes a last checkpoint when its owner is killed
POLL_S: Final = 0.01
LOG_LINES: Final = 3  # of a log in an error

# Nothing is inherited: no PG* variable that would change the stores, no secret of the server.
ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C"}


class EmbeddedError(Exception):
    """The stores cannot be started or reached; the message is one line for the user."""


@contextmanager
def one_line(what: str) -> Iterator[None]:
    """Turn an error of the system into an EmbeddedError about `what`."""
    try:
        yield
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedError(f"{what}: {error}") from error


class SystemUser(NamedTuple):
    """The user that runs the stores if root starts them."""

    name: str
    uid: int
    gid: int


def account() -> SystemUser | None:
    """The user to run stores as; None: the current one. For root it is $HONGBAO_STORE_USER or `nobody`."""
    if os.geteuid() != 0:
        return None
    name = os.environ.get(ACCOUNT_VARIABLE) or "nobody"
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise EmbeddedError(f"there is no user {name!r} (set {ACCOUNT_VARIABLE} to one that exists)") from None
    if entry.pw_uid == 0:
        raise EmbeddedError(f"PostgreSQL refuses to run as {name} (set {ACCOUNT_VARIABLE} to an unprivileged user)")
    return SystemUser(name, entry.pw_uid, entry.pw_gid)


def let_pass(folder: Path, user: SystemUser | None) -> None:
    """Let a user enter a folder: o+x on it and its parents where it is missing, reported on stderr."""
    if user is None:
        return
    for passed in (folder, *folder.parents):
        info = passed.stat()
        is_theirs = info.st_uid == user.uid or info.st_gid == user.gid  # then the bits for others do not apply
        if not is_theirs and not info.st_mode & stat.S_IXOTH:
            passed.chmod(stat.S_IMODE(info.st_mode) | stat.S_IXOTH)
            print(f"hongbao: chmod o+x {passed} (the stores run as {user.name} and must enter it)", file=sys.stderr)


def private_folder(folder: Path, user: SystemUser | None) -> None:
    """Make a folder that a user alone can enter."""
    folder.mkdir(mode=0o700)
    hand_over(folder, user)


def hand_over(folder: Path, user: SystemUser | None) -> None:
    """Change the owner of a folder and its content to a user, if it is another one."""
    if user is None or folder.stat().st_uid == user.uid:
        return
    for inside, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(inside, name), user.uid, user.gid, follow_symlinks=False)
    os.chown(folder, user.uid, user.gid)  # last: its owner shows that all is done


@dataclass(frozen=True)
class Child:
    """A started process, and the position in its log where its run begins."""

    process: subprocess.Popen[bytes]
    log: Path
    log_start: int

    def last_log_lines(self) -> str:
        """The last lines of this run in the log, joined."""
        return last_log_lines(self.log, self.log_start)


def last_log_lines(log: Path, start: int) -> str:
    """The last lines of a log after a position, joined."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    return " | ".join([line.strip() for line in lines if line.strip()][-LOG_LINES:]) or "its log is empty"


def spawn(
    arguments: list[str],
    folder: Path,
    log: Path,
    user: SystemUser | None,
    end: signal.Signals,
    before: Callable[[], None] = lambda: None,
    stdin: int = subprocess.DEVNULL,
) -> Child:
    """Run a program as a user in a folder that no other process uses; it receives `end` when its parent dies.

    `before` is called when the folder is free.

    It has its own session, so Ctrl-C in the terminal does not reach it: the parent stops it.
    """
    with ExitStack() as opened:
        claimed = claim(folder)
        opened.callback(os.close, claimed)
        before()
        written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        opened.callback(os.close, written)
        log_start = os.fstat(written).st_size
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=ENVIRONMENT,
            stdin=stdin,
            stdout=written,
            stderr=written,
            pass_fds=(claimed,),
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
            umask=0o077,
            start_new_session=True,
            preexec_fn=die_with(os.getpid(), end),
        )
    return Child(process, log, log_start)


def run(
    arguments: list[str], text: str, folder: Path, log: Path, user: SystemUser | None, timeout_s: float
) -> None:
    """Run a program to its end with a text as its input. Raises EmbeddedError with the end of its log."""
    child = spawn(arguments, folder, log, user, signal.SIGTERM, stdin=subprocess.PIPE)
    try:
        child.process.communicate(text.encode(), timeout_s)
    finally:
        child.process.kill()
        child.process.wait()
    if child.process.returncode != 0:
        raise EmbeddedError(f"{Path(arguments[0]).name} failed: {child.last_log_lines()}")


def claim(folder: Path) -> int:
    """Wait until no process uses the folder; a descriptor that keeps it claimed while it is open.

    A program inherits the claim from spawn, its children from the program. So a folder is free when the last of
    them has ended, for whatever reason; process ids, which the system reuses, are not looked at.
    Raises EmbeddedError after PREDECESSORS_TIMEOUT_S.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in polls(PREDECESSORS_TIMEOUT_S):
        if lock(descriptor):
            return descriptor
    os.close(descriptor)
    raise EmbeddedError(f"processes of an earlier run still use {folder}; end them first")


def lock(descriptor: int) -> bool:
    """Lock an open file; false if it is locked. The lock ends when its last copy, also in children, is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def polls(timeout_s: float) -> Iterator[None]:
    """Yield every POLL_S until the timeout."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        yield
        time.sleep(POLL_S)


_libc = ctypes.CDLL(None)


def die_with(parent: int, end: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends `end` to the child when the parent dies. It runs after the change of user,
    which would undo it.
    """

    def bind() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(end), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the line above: no signal will come
            os._exit(1)

    return bind
