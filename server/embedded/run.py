"""Running a store's program: as a user without rights, in its own session, and never longer than we live."""

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
WORDS_LINES: Final = 3  # of a log, in an error

# Nothing of ours: no PG* variable that would move the stores, no secret of the server.
ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C"}


class EmbeddedError(Exception):
    """The stores cannot be started or reached; the message is one line for the operator."""


@contextmanager
def one_line(what: str) -> Iterator[None]:
    """Turn what the system says into an EmbeddedError about `what`."""
    try:
        yield
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedError(f"{what}: {error}") from error


class SystemUser(NamedTuple):
    """A user that root's stores run as."""

    name: str
    uid: int
    gid: int


def account() -> SystemUser | None:
    """Whom to run as: None is ourselves. PostgreSQL refuses root: then $HONGBAO_STORE_USER or nobody."""
    if os.geteuid() != 0:
        return None
    name = os.environ.get(ACCOUNT_VARIABLE) or "nobody"
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise EmbeddedError(f"there is no user {name!r} (set {ACCOUNT_VARIABLE} to one that exists)") from None
    if entry.pw_uid == 0:
        raise EmbeddedError(
            f"PostgreSQL refuses to run as {name} (set {ACCOUNT_VARIABLE} to a user without rights)"
        )
    return SystemUser(name, entry.pw_uid, entry.pw_gid)


def let_pass(folder: Path, who: SystemUser | None) -> None:
    """Let this user pass the folder and its parents: o+x where it is missing, nothing more, said on stderr."""
    if who is None:
        return
    for passed in (folder, *folder.parents):
        info = passed.stat()
        theirs = info.st_uid == who.uid or info.st_gid == who.gid  # then the bits for others do not count
        if not theirs and not info.st_mode & stat.S_IXOTH:
            passed.chmod(stat.S_IMODE(info.st_mode) | stat.S_IXOTH)
            print(f"hongbao: chmod o+x {passed} (the stores run as {who.name} and have to pass)", file=sys.stderr)


def private_folder(folder: Path, who: SystemUser | None) -> None:
    """Make a folder for this user alone."""
    folder.mkdir(mode=0o700)
    hand_over(folder, who)


def hand_over(folder: Path, who: SystemUser | None) -> None:
    """Give a folder with all that is in it to this user, if it is not theirs."""
    if who is None or folder.stat().st_uid == who.uid:
        return
    for inside, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(inside, name), who.uid, who.gid, follow_symlinks=False)
    os.chown(folder, who.uid, who.gid)  # last: it is the sign that all is done


@dataclass(frozen=True)
class Child:
    """A process that we started, and where in its log its words begin."""

    process: subprocess.Popen[bytes]
    log: Path
    log_start: int

    def last_words(self) -> str:
        """The last lines that this run left in the log, as one."""
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            lines = file.read().decode(errors="replace").splitlines()
        return " | ".join([line.strip() for line in lines if line.strip()][-WORDS_LINES:]) or "its log is silent"


def spawn(
    arguments: list[str],
    folder: Path,
    log: Path,
    who: SystemUser | None,
    end: signal.Signals,
    stdin: int = subprocess.DEVNULL,
) -> Child:
    """Run a program as this user inside a folder that nobody else works in; `end` hits it when we die.

    Its own session keeps it out of reach of the terminal's Ctrl-C: we end it, when we are done with it.
    """
    with ExitStack() as opened:
        claimed = claim(folder)
        opened.callback(os.close, claimed)
        words = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        opened.callback(os.close, words)
        log_start = os.fstat(words).st_size
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=ENVIRONMENT,
            stdin=stdin,
            stdout=words,
            stderr=words,
            pass_fds=(claimed,),
            user=who.uid if who else None,
            group=who.gid if who else None,
            extra_groups=[] if who else None,
            umask=0o077,
            start_new_session=True,
            preexec_fn=die_with(os.getpid(), end),
        )
    return Child(process, log, log_start)


def run(arguments: list[str], text: str, folder: Path, log: Path, who: SystemUser | None, timeout_s: float) -> None:
    """Run a program to its end with this text as its input. Raises EmbeddedError with its last words."""
    child = spawn(arguments, folder, log, who, signal.SIGTERM, subprocess.PIPE)
    try:
        child.process.communicate(text.encode(), timeout_s)
    finally:
        child.process.kill()
        child.process.wait()
    if child.process.returncode != 0:
        raise EmbeddedError(f"{Path(arguments[0]).name} failed: {child.last_words()}")


def claim(folder: Path) -> int:
    """Wait until nobody works in the folder; a descriptor that keeps it claimed.

    A program inherits the claim from spawn, its children from the program. So a folder is free when the last of
    them has ended, however that came about; no process number that may belong to a stranger by now is asked.
    Raises EmbeddedError after PREDECESSORS_TIMEOUT_S.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in polls(PREDECESSORS_TIMEOUT_S):
        if lock(descriptor):
            return descriptor
    os.close(descriptor)
    raise EmbeddedError(f"processes of an earlier run still work in {folder}; end them first")


def lock(descriptor: int) -> bool:
    """Lock what is open here, unless somebody has: until its last copy, also in children, is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def polls(timeout_s: float) -> Iterator[None]:
    """Come round again and again, until the time is up."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        yield
        time.sleep(POLL_S)


_libc = ctypes.CDLL(None)


def die_with(parent: int, end: signal.Signals) -> Callable[[], None]:
    """What the child does last before it becomes the program; the change of user before it would undo it."""

    def bind() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(end), 0, 0, 0)
        if os.getppid() != parent:  # died before the line above: no signal will come any more
            os._exit(1)

    return bind
