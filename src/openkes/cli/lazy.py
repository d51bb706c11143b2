"""A click group whose commands are imported when they are called. Knows no command."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """`commands_by_path`: name -> ("module:attribute", one line of help)."""

    def __init__(self, *args: Any, commands_by_path: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._paths = commands_by_path

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table: the server first, not the alphabet."""
        return list(self._paths)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's module."""
        if cmd_name not in self._paths:
            return None
        module, _, attribute = self._paths[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101  # a slip in the table, not in the input
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Adds the nearest name to the error for an unknown one."""
        if args and args[0] not in self._paths and (near := get_close_matches(args[0], self._paths, 1)):
            ctx.fail(f"no such command {args[0]!r}: did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, so that `kes --help` imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._paths.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """From the table as well: a TAB must not wait for imports."""
        fitting = (name for name in self._paths if name.startswith(incomplete))
        mine = [CompletionItem(name, help=self._paths[name][1]) for name in fitting]
        # `Command` knows the options; `Group` in between would import every command.
        return mine + click.Command.shell_complete(self, ctx, incomplete)
