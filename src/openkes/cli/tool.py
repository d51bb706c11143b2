"""`kes tool identity …`: what `kes identity` was called in 2021, as MinIO's page still has it."""

from __future__ import annotations

import click

from openkes.cli.identity import new, of


@click.group()
def tool() -> None:
    """The commands of 2021, for scripts and pages that still use them."""


@tool.group()
def identity() -> None:
    """The same as `kes identity`."""


identity.add_command(new)
identity.add_command(of)
