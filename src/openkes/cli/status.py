"""`kes status`: is the server well, and its key store?"""

from __future__ import annotations

from typing import Any

import click

from openkes.cli import output
from openkes.cli.options import Connection, connected
from openkes.errors import OperatorError


@click.command()
@click.option("--short", is_flag=True, help="One line.")
@click.option("--json", "json_wanted", is_flag=True, help="Print the server's answer as JSON.")
@connected
def status(short: bool, json_wanted: bool, connection: Connection) -> None:
    """Show whether a server and its key store are well.

    Servers of a group have the same configuration when they show the same digits under Configuration.
    The exit code is 1 when there is no answer, or when the server cannot reach its key store.

    \b
    Examples:
      kes status
      kes status --short
    """
    with connection.client(anonymous=True) as client:
        answer = client.status()
    if json_wanted:
        output.as_json(answer)
    elif short:
        output.data(f"{client.endpoint}  up {_uptime(answer)}  key store {_key_store(answer)}")
    else:
        output.data(str(client.endpoint))
        output.table(_rows(answer), indent="  ")
    if answer.get("keystore_unreachable"):
        raise OperatorError("the server does not reach its key store", "the server's log names the cause")


def _rows(answer: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("Version", str(answer.get("version", "unknown"))),
        ("Up", _uptime(answer)),
        ("Key store", _key_store(answer)),
        *([("Configuration", str(digest))] if (digest := answer.get("configuration")) else []),
        ("System", f"{answer.get('os', '?')}/{answer.get('arch', '?')}"),
        ("CPUs", f"{answer.get('num_cpu_used', '?')} of {answer.get('num_cpu', '?')}"),
    ]
    if heap := int(answer.get("mem_heap_used") or 0):
        rows.append(("Memory", f"{heap / 2**20:.1f} MiB"))
    return rows


def _key_store(answer: dict[str, Any]) -> str:
    if answer.get("keystore_unreachable"):
        return "unreachable"
    latency = answer.get("keystore_latency")  # microseconds; left out by the server when there is none
    return f"ok, {int(latency) / 1000:.1f} ms" if latency else "ok"


def _uptime(answer: dict[str, Any]) -> str:
    seconds = int(answer.get("uptime") or 0)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    parts = [f"{n}{unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")) if n]
    return " ".join(parts[:2]) or "0s"
