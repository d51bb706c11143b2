"""What TAB offers where a command wants the name of something on the server.

A server that is away, slow or refuses offers nothing; nothing is ever asked or shown.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import click

from openkes.cli.options import PASSWORD_VARIABLE, connection_of
from openkes.client import Client, Patience
from openkes.errors import OperatorError

SECONDS = 1.5  # a person waits at the prompt; the name service has no time limit of its own
_PATIENCE = Patience(1.0, 1.0)

Complete = Callable[[click.Context, click.Parameter, str], list[str]]
Listing = Callable[[Client, str], tuple[list[str], str]]


def _names(listing: Listing) -> Complete:
    """An argument's `shell_complete`."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        found: list[str] = []
        # a daemon: what still waits for a name server ends with the process
        asking = threading.Thread(target=_ask, args=(listing, dict(context.params), incomplete, found), daemon=True)
        asking.start()
        asking.join(SECONDS)
        given = context.params.get(parameter.name or "")
        taken = given if isinstance(given, (tuple, list)) else ()
        return [name for name in found if name not in taken]

    return complete


def _ask(listing: Listing, options: dict[str, object], prefix: str, found: list[str]) -> None:
    try:
        with connection_of(options, _password).client(patience=_PATIENCE) as client:
            found += listing(client, prefix)[0]
    except (click.ClickException, OperatorError, OSError):
        return


def _password() -> str:
    if password := os.environ.get(PASSWORD_VARIABLE):
        return password
    raise OperatorError("a password cannot be asked for here")


keys = _names(Client.list_keys)
policies = _names(Client.list_policies)
identities = _names(Client.list_identities)
