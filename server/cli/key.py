"""`hongbao key`: shows the keys of login tokens or of the HTTP API, and makes a new one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from server.cli.shared.options import DATA, ConfigOption, DataOption
from server.cli.shared.resources import WrongOptions, check_records, existing
from server.cli.shared.words import Text
from server.config import Config, ConfigError, append_api_key, load, load_api_keys, load_keys, token_keys

key_cli = cyclopts.App(
    name="key",
    help="Show the keys of login tokens or of the HTTP API, or make one.",
    result_action="return_value",
)


@key_cli.command
def show(
    *,
    secret: bool = False,
    api: bool = False,
    bearer: Annotated[bool, Parameter(negative=())] = False,
    data: DataOption = DATA,
    config: ConfigOption = None,
) -> int:
    """Print the keys of login tokens: id, fingerprint, and which one signs; with --api those of the HTTP API.

    Example: hongbao key show --secret

    Parameters
    ----------
    secret
        print the keys themselves, as lines for a config file; give one to your chat backend
    api
        the keys of the HTTP API: all of them are accepted
    bearer
        with --api: print the newest key alone, as `Authorization: Bearer` and HONGBAO_KEY take it
    """
    if bearer and (secret or not api):
        raise WrongOptions("--bearer is for keys of the HTTP API: hongbao key show --api --bearer")
    settings = load(config, {})
    keys = _api_keys(settings, data) if api else load_keys(settings, data, may_make=False)
    if bearer:
        key_id, key = list(keys.items())[-1]
        print(f"{key_id}.{key.hex()}")
        return 0
    for key_id, key in keys.items():
        if secret:
            print(f'{key_id} = "{key.hex()}"')
        else:
            use = "accepted" if api else "signs and verifies" if key_id == list(keys)[-1] else "verifies"
            print(f"{key_id}  sha256 {hashlib.sha256(key).hexdigest()[:16]}  {use}")
    return 0


def _api_keys(settings: Config, data: Path) -> dict[str, bytes]:
    """The keys of the HTTP API. Raises ConfigError if there are none, CommandFailed if there are no records."""
    keys = load_api_keys(settings, data)
    if not keys:
        check_records(settings, data, "")
        raise ConfigError("there is no key of the HTTP API, so it is off; make one: hongbao key new --api")
    return keys


@key_cli.command
def new(
    key_id: Text | None = None, /, *, api: bool = False, data: DataOption = DATA, config: ConfigOption = None
) -> int:
    """Make a key that signs from the next reload on; the keys before it still verify.

    With --api: a key of the HTTP API, beside those that there are. Remove the old one when the chat backend uses
    the new one; the first one of all needs a restart.

    Keys in the data folder get it appended. If the config has the keys, the line for it is printed.

    Example: hongbao key new k2 && hongbao reload

    Parameters
    ----------
    key_id
        the name of the key in tokens and requests (default: k and the next free number)
    api
        make a key of the HTTP API
    """
    settings = load(config, {})
    if api:
        return _new_api_key(key_id, settings, data)
    keys = load_keys(settings, data if settings.auth.keys else existing(data))
    chosen = key_id or token_keys.next_id(keys)
    line = token_keys.new_line(chosen, keys)
    if settings.auth.keys:
        print(f"append to auth.keys in the config, last, then: hongbao reload\n{line}")
    else:
        path = token_keys.append(data, line)
        print(f"{path}: {chosen} signs from the next reload on: hongbao reload")
    return 0


def _new_api_key(key_id: str | None, settings: Config, data: Path) -> int:
    keys = load_api_keys(settings, data)
    chosen = key_id or token_keys.next_id(keys)
    if chosen in keys:
        raise ConfigError(f"there is a key {chosen} already: requests that it signs would be refused")
    line = token_keys.new_line(chosen, keys)
    advice = "hongbao reload" if keys else "a restart, because the HTTP API was off without a key"
    if settings.http_api.keys:
        print(f"append to http_api.keys in the config, then: {advice}\n{line}")
    else:
        path = append_api_key(existing(data), line)
        print(f"{path}: {chosen} is accepted after: {advice} (to see it: hongbao key show --api --bearer)")
    return 0
