"""`kes metric`: a server's metrics as a table, live on a terminal. What the numbers mean is in `figures`."""

from __future__ import annotations

import sys
import time

import click

from openkes.cli import figures, output
from openkes.cli.options import Connection, connected
from openkes.client import Client

_CLEAR = "\x1b[H\x1b[J"  # home, then erase below: no flicker, and what was on the screen before scrolls away


@click.command()
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two looks, on a terminal.",
)
@click.option("--once", is_flag=True, help="Look once, on a terminal too.")
@click.option("--raw", is_flag=True, help="Print the Prometheus text as the server sends it, once.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON, once.")
@connected
def metric(interval: float, once: bool, raw: bool, json_wanted: bool, connection: Connection) -> None:
    """Show a server's metrics: requests, latencies, key store, cache, certificate.

    On a terminal the table is renewed until Ctrl-C, with the rates since the look before. Elsewhere it is printed
    once.

    \b
    Examples:
      kes metric
      kes metric --json | jq .certificate_expiry_seconds
      kes metric --raw
    """
    if raw and json_wanted:
        raise click.UsageError("give --raw or --json, not both")
    with connection.client(anonymous=True) as client:
        if raw:
            output.data(client.metrics().rstrip("\n"))
        elif json_wanted:
            output.as_json(figures.read(client.metrics()).document())
        elif once or not sys.stdout.isatty():
            output.table(figures.read(client.metrics()).rows())
        else:
            _live(client, interval)


def _live(client: Client, interval: float) -> None:
    click.clear()
    before: figures.Figures | None = None
    then = time.monotonic()
    while True:
        now = figures.read(client.metrics())
        looked = time.monotonic()
        click.echo(_CLEAR, nl=False)
        output.data(f"{client.endpoint}  every {interval:g} s, Ctrl-C ends it")
        output.table(now.rows(before, looked - then))
        before, then = now, looked
        time.sleep(interval)
