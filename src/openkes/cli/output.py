"""Where text goes: data on stdout, talk, errors and hints on stderr. Must not decide what is said."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click


def data(text: str) -> None:
    """A line that a script may want."""
    click.echo(text)


def as_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False))


def table(rows: Iterable[tuple[str, str]], indent: str = "") -> None:
    """Names and values in two columns on stdout."""
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{indent}{name:<{width}}  {value}")


def names(field: str, found: tuple[list[str], str], json_wanted: bool) -> None:
    """A listing: (names, where the server broke off or ""). One a line, or {field: names}."""
    listed, broke_off_at = found
    if json_wanted:
        as_json({field: listed, "continue_at": broke_off_at} if broke_off_at else {field: listed})
        return
    for name in listed:
        data(name)
    if broke_off_at:
        hint(f"the server broke off before {broke_off_at}: list the rest by longer prefixes")


def talk(text: str) -> None:
    """For the person at the terminal."""
    click.echo(text, err=True)


def hint(text: str) -> None:
    """What may help, for the person at the terminal."""
    talk(f"kes: hint: {text}")


def failure(text: str, advice: str = "") -> int:
    """Say what failed and, if known, what to do; the exit code."""
    talk(f"kes: error: {text}")
    if advice:
        hint(advice)
    return 1
