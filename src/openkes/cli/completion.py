"""`kes completion`: the script that teaches a shell the commands, options and names of keys."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from openkes.cli import output


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    TAB then completes commands, options and files, and the names of keys, policies and identities, which it asks of
    the server that the options and the environment name.

    \b
    Examples:
      eval "$(kes completion bash)"       in ~/.bashrc
      eval "$(kes completion zsh)"        in ~/.zshrc, after compinit
      kes completion fish > ~/.config/fish/completions/kes.fish
    """
    root = context.find_root()
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  # click has the three
    output.data(kind(root.command, {}, "kes", "_KES_COMPLETE").source().rstrip("\n"))
