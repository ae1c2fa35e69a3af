"""What a container of PostgreSQL runs, run here: with the programs of the wheel, in a folder of the test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from server.embedded.run import account, hand_over, let_pass, polls
from server.embedded.stores import postgres_program

PROGRAMS: Final = postgres_program("postgres").parent
READY_S: Final = 60.0


class PostgresContainer:
    """One of them. Connections come over sockets of its own."""

    def __init__(self, home: Path) -> None:
        self._user = account()
        self._home = home
        self.sockets = home / "sockets"
        self.sockets.mkdir(parents=True)
        home.chmod(0o711)
        let_pass(PROGRAMS, self._user)
        hand_over(home, self._user)
        self._data = home / "18" / "docker"

    def make(self) -> None:
        """An empty cluster, as the image makes it."""
        self.run(f'mkdir -p "$PGDATA" && initdb --username=hongbao --no-sync --auth-local=trust > "{self._log}"')
        self.run(f'echo "unix_socket_directories = \'{self.sockets}\'" >> "$PGDATA/postgresql.conf"')
        self.run('echo "listen_addresses = \'\'" >> "$PGDATA/postgresql.conf"')

    def copied(self, file: Path) -> Path:
        """A file that the container sees."""
        shutil.copy(file, self._home / file.name)
        (self._home / file.name).chmod(0o644)
        return self._home / file.name

    def run(self, command: str) -> str:
        """Run a command to its end; what it says."""
        done = subprocess.run(
            ["sh", "-ec", command],
            env=self._environment(),
            cwd=self._home,
            capture_output=True,
            text=True,
            check=False,
            timeout=READY_S,
            **self._as_user(),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def running(self, command: str, **environment: str) -> Iterator[None]:
        """Inside, the command runs a server that answers."""
        # the address of a container is that of its host name; here it is a folder
        command = command.replace("exec postgres", f"exec postgres -k '{self.sockets}'")
        with self._log.open("a") as log:
            process = subprocess.Popen(
                ["sh", "-ec", command],
                env=self._environment() | environment,
                cwd=self._home,
                stdout=log,
                stderr=log,
                **self._as_user(),
            )
        try:
            for _ in polls(READY_S):
                assert process.poll() is None, self._log.read_text()
                if self._answers():
                    break
            yield
        finally:
            process.send_signal(signal.SIGINT)  # as `docker stop` does with this image
            process.wait(READY_S)

    @property
    def _log(self) -> Path:
        return self._home / "log"

    def _answers(self) -> bool:
        asked = ["sh", "-ec", "psql -Atc 'SELECT 1'"]
        return not subprocess.run(
            asked, env=self._environment(), capture_output=True, check=False, **self._as_user()
        ).returncode

    def _environment(self) -> dict[str, str]:
        about = {
            "PGDATA": str(self._data),
            "PGHOST": str(self.sockets),
            "PGUSER": "hongbao",
            "PGDATABASE": "postgres",
        }
        image = {"POSTGRES_USER": "hongbao", "POSTGRES_DB": "postgres", "LC_ALL": "C"}
        return {"PATH": f"{PROGRAMS}:{os.defpath}", **about, **image}

    def _as_user(self) -> dict[str, int]:
        return {} if self._user is None else {"user": self._user.uid, "group": self._user.gid}
