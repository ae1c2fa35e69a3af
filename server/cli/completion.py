"""`hongbao completion`: the script that completes commands and options in a shell."""

from __future__ import annotations

from typing import Literal

from server.cli.main import commands, is_absent
from server.cli.shared.command_table import COMMANDS

Shell = Literal["bash", "zsh", "fish"]


def completion(shell: Shell, /) -> int:
    """Print a script that completes commands and options in your shell.

    bash: in ~/.bashrc the line `eval "$(hongbao completion bash)"`. zsh: save it as _hongbao in a folder of $fpath.
    fish: save it as ~/.config/fish/completions/hongbao.fish. A command whose extra is not installed
    (pip install 'hongbao[demo]') is completed without its options.

    Example: eval "$(hongbao completion bash)"

    Parameters
    ----------
    shell
        bash, zsh or fish
    """
    app = commands([row.name for row in COMMANDS], [row.name for row in COMMANDS if is_absent(row)])
    print(app.generate_completion(shell=shell))
    return 0
