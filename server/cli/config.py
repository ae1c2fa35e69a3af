"""`hongbao config`: shows and checks the config."""

from __future__ import annotations

from pathlib import Path

import cyclopts

from server.cli.shared.options import NO_FLAGS, ConfigOption, Flags, load_to_serve
from server.config import resolve, text
from server.credentials import load_tls

config_cli = cyclopts.App(name="config", help="Show and check the config.", result_action="return_value")


@config_cli.command
def default() -> int:
    """Print every setting with its default, its meaning, and the effect of a reload (SIGHUP).

    Example: hongbao config default > hongbao.toml
    """
    print(text.default_toml(), end="")
    return 0


@config_cli.command
def show(*, config: ConfigOption = None, flags: Flags = NO_FLAGS) -> int:
    """Print the config in force and where each value comes from; secrets are masked.

    Options override the environment (HONGBAO_SECTION__KEY), which overrides the file. The options are those of
    `hongbao serve`.

    Example: HONGBAO_LIMITS__SHARES_MAX=100 hongbao config show --config hongbao.toml
    """
    print(text.show(resolve(config, flags.overrides())), end="")
    return 0


@config_cli.command
def check(file: Path) -> int:
    """Check that a server accepts a config file and its TLS files; exit 1 and say why if not.

    Example: hongbao config check hongbao.toml

    Parameters
    ----------
    file
        the TOML file
    """
    load_tls(load_to_serve(file))
    print(f"{file}: ok")
    return 0
