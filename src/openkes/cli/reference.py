"""`python -m openkes.cli.reference`: docs/cli.md, made of the commands' own help. Knows click, and no command.

The text depends on the commands only: not on the width of a terminal, nor on click's release.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from openkes.cli import kes
from openkes.cli.options import CONNECTION_OPTIONS, connected
from openkes.cli.walk import leaves

_HEAD = """\
# The `kes` command

<!-- Made by `python -m openkes.cli.reference`; the commands are in src/openkes/cli. Do not edit. -->

Data goes to standard output, talk and errors to standard error. The exit code is 0, 1 on an error, 2 on wrong usage
and 130 after Ctrl-C. An error has the form `kes: error: …`, followed by `kes: hint: …` where the next step is known.
`kes COMMAND --help` prints what is said here."""


def reference() -> str:
    """The whole page, Markdown, with a newline at its end."""
    return "\n\n".join([_HEAD, *_environment(), *_connection(), *_commands()]) + "\n"


def _environment() -> Iterator[str]:
    yield "## Environment"
    yield _prose(kes.epilog or "")


def _connection() -> Iterator[str]:
    @click.command()
    @connected
    def command() -> None:
        """Has the connection's options only."""

    yield "## Connection options"
    yield "Every command that talks to a server has these; its own are listed with it."
    yield _options(command, click.Context(command), everything=True)


def _commands() -> Iterator[str]:
    for context, command in leaves(kes, "kes"):
        yield f"## `{context.command_path}`"
        pieces = " ".join(command.collect_usage_pieces(context))
        yield f"```\n{context.command_path} {pieces}".rstrip() + "\n```"
        yield _prose(command.help or "")
        options = _options(command, context)
        if options:
            yield options
        if _connects(command):
            yield "Also the [connection options](#connection-options)."


def _options(command: click.Command, context: click.Context, *, everything: bool = False) -> str:
    rows = []
    for parameter in command.get_params(context):
        if not isinstance(parameter, click.Option) or parameter.hidden or "--help" in parameter.opts:
            continue
        if parameter.name in CONNECTION_OPTIONS and _connects(command) and not everything:
            continue
        record = parameter.get_help_record(context)
        if record is not None:
            names, text = record
            rows.append(f"| `{_cell(names)}` | {_cell(text)} |")
    return "\n".join(["| option | |", "| --- | --- |", *rows]) if rows else ""


def _connects(command: click.Command) -> bool:
    return getattr(command.callback, "needs_connection", False)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def _prose(text: str) -> str:
    """Help text as Markdown: a block that click must not wrap (\\b) becomes code below its first line."""
    return "\n\n".join(_paragraph(paragraph) for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)))


def _paragraph(text: str) -> str:
    if not text.startswith("\b"):
        return " ".join(text.split())
    head, *lines = text.removeprefix("\b").strip("\n").splitlines()
    if not lines or not head.rstrip().endswith(":"):
        head, lines = "", [head, *lines]
    code = "\n".join(line.removeprefix("  ").rstrip() for line in lines)
    return (f"{head.strip()}\n\n" if head else "") + f"```sh\n{code}\n```"


if __name__ == "__main__":
    click.echo(reference(), nl=False)
