"""`kes log`: a server's log as it is written, until interrupted."""

from __future__ import annotations

import sys
from typing import Any, Literal

import click

from openkes.cli import output
from openkes.cli.options import Connection, connected
from openkes.errors import OperatorError

_SHORT = 8  # digits of an identity in a line for people; --json has them all


@click.command()
@click.option("--audit", is_flag=True, help="Every request, refused ones too: this is the default.")
@click.option("--error", is_flag=True, help="The server's own warnings and errors.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON lines, as the server sends them.")
@connected
def log(audit: bool, error: bool, json_wanted: bool, connection: Connection) -> None:
    """Show a server's log from now on, until Ctrl-C.

    A line of the audit log has the time, the status, how long it took, the client's address, the beginning of its
    identity, method and path.

    \b
    Examples:
      kes log
      kes log --error
      kes log --json | jq 'select(.response.code >= 400)'
    """
    if audit and error:
        raise click.UsageError("give --audit or --error, not both")
    kind: Literal["audit", "error"] = "error" if error else "audit"
    with connection.client() as client:
        if sys.stdout.isatty():
            output.talk(f"the {kind} log of {client.endpoint} from now on; Ctrl-C ends it")
        for event in client.log(kind):
            if json_wanted:
                output.as_json(event)
            else:
                output.data(_audit(event) if kind == "audit" else _error(event))
    raise OperatorError(
        f"{client.endpoint} ended the log", "it stops or restarts: start the command again when it is back"
    )


def _audit(event: dict[str, Any]) -> str:
    request, response = _part(event, "request"), _part(event, "response")
    microseconds = response.get("time")
    took = f"{microseconds / 1000:.1f} ms" if isinstance(microseconds, int) else "?"
    identity = str(request.get("identity") or "")[:_SHORT] or "-"
    shown = (
        event.get("time", "?"),
        response.get("code", "?"),
        f"{took:>9}",
        f"{request.get('ip', '?')!s:<15}",
        f"{identity:<{_SHORT}}",
        f"{request.get('method', '')!s:<6}",
        request.get("path", "?"),
    )
    return "  ".join(_printable(str(part)) for part in shown)


def _error(event: dict[str, Any]) -> str:
    return _printable(str(event.get("message", event)))


def _part(event: dict[str, Any], name: str) -> dict[str, Any]:
    part = event.get(name)
    return part if isinstance(part, dict) else {}


def _printable(text: str) -> str:
    # whoever called the server chose the path: it must not move the cursor or colour the screen
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
