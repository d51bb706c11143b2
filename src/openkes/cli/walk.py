"""Every command below a group, with the context its help is made with. Knows click only."""

from __future__ import annotations

from collections.abc import Iterator

import click


def leaves(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[click.Context, click.Command]]:
    """Commands that do something, in the order of their groups; a group that does something comes before its own."""
    context = click.Context(command, info_name=name, parent=parent)
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield context, command
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                yield from leaves(found, child, context)
