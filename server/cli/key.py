"""`hongbao key`: shows the keys of login tokens, and makes a new one."""

from __future__ import annotations

import hashlib

import cyclopts

from server.cli.shared.options import DATA, ConfigOption, DataOption
from server.cli.shared.resources import existing
from server.cli.shared.words import Text
from server.config import load, load_keys, token_keys

key_cli = cyclopts.App(
    name="key", help="Show the keys of login tokens, or make a new one.", result_action="return_value"
)


@key_cli.command
def show(*, secret: bool = False, data: DataOption = DATA, config: ConfigOption = None) -> int:
    """Print the keys of login tokens: id, fingerprint, and which one signs.

    Example: hongbao key show --secret

    Parameters
    ----------
    secret
        print the keys themselves, as lines for a config file; give one to your chat backend
    """
    keys = load_keys(load(config, {}), data, may_make=False)
    for key_id, key in keys.items():
        if secret:
            print(f'{key_id} = "{key.hex()}"')
        else:
            use = "signs and verifies" if key_id == list(keys)[-1] else "verifies"
            print(f"{key_id}  sha256 {hashlib.sha256(key).hexdigest()[:16]}  {use}")
    return 0


@key_cli.command
def new(key_id: Text | None = None, /, *, data: DataOption = DATA, config: ConfigOption = None) -> int:
    """Make a key that signs from the next reload on; the keys before it still verify.

    Keys in the data folder get it appended. If the config has the keys, the line for it is printed.

    Example: hongbao key new k2 && hongbao reload

    Parameters
    ----------
    key_id
        the name of the key in tokens (default: k and the next free number)
    """
    settings = load(config, {})
    keys = load_keys(settings, data if settings.auth.keys else existing(data))
    chosen = key_id or token_keys.next_id(keys)
    line = token_keys.new_line(chosen, keys)
    if settings.auth.keys:
        print(f"append to auth.keys in the config, last, then: hongbao reload\n{line}")
    else:
        path = token_keys.append(data, line)
        print(f"{path}: {chosen} signs from the next reload on: hongbao reload")
    return 0
