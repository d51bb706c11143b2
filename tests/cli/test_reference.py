"""The help of every command, and docs/cli.md, which is made of it."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest

from openkes.cli import kes
from openkes.cli.reference import reference
from openkes.cli.walk import leaves

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS = list(leaves(kes, "kes"))


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text() == reference(), "make it anew: python -m openkes.cli.reference > docs/cli.md"


@pytest.mark.parametrize(("context", "command"), COMMANDS, ids=[context.command_path for context, _ in COMMANDS])
def test_every_command_has_examples_that_name_real_options(context: click.Context, command: click.Command) -> None:
    lines = examples(command)
    assert lines, f"{context.command_path} has no example"
    for line in lines:
        check(line)


def examples(command: click.Command) -> list[str]:
    _, found, block = (command.help or "").partition("Example")
    return [line.strip() for line in block.splitlines()[1:] if line.strip()] if found else []


def check(line: str) -> None:
    """The words of `kes …` in `line` lead to a command, whose options they are."""
    words = shlex.split(line.partition("   ")[0], comments=True)
    if "kes" not in words:
        words = shlex.split(line.partition("$(")[2].partition(")")[0])
    words = words[words.index("kes") + 1 :]
    command: click.Command = kes
    context = click.Context(kes)
    while isinstance(command, click.Group) and words and words[0] in command.list_commands(context):
        child = command.get_command(context, words.pop(0))
        assert child is not None
        command = child
    if isinstance(command, click.Group) and not command.invoke_without_command:
        # a group may stand for the first of its commands: `kes backup` is `kes backup create`
        assert words[0].startswith("-"), line
        first = command.get_command(context, command.list_commands(context)[0])
        assert first is not None
        command = first
    known = {name for parameter in command.get_params(context) for name in parameter.opts}
    own = [word.partition("=")[0] for word in words[: next((i for i, w in enumerate(words) if w in "|<>"), None)]]
    assert {word for word in own if word.startswith("-") and word != "-"} <= known, line
