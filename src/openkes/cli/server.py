"""`kes server`: from flags or a configuration file to a running server, and `kes server check`.

Owns the command line. The work is done by `serve`.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from openkes import __version__
from openkes.cli import checks, serve
from openkes.cli import dev as dev_mode
from openkes.cli.plain import PlainFormatter
from openkes.config import load as config_load
from openkes.config.digest import digest
from openkes.config.keystores.memory import MemorySettings
from openkes.config.schema import TLS, Config, Log
from openkes.config.values import parse_address
from openkes.errors import OperatorError
from openkes.identity import is_identity

ENGINES = {"auto": None, "engine": True, "python": False}


@click.group(invoke_without_command=True)
@click.option("--addr", metavar="IP:PORT", help="Where to listen.  [default: 0.0.0.0:7373]")
@click.option("--config", "config_file", metavar="FILE", type=click.Path(path_type=Path), help="The configuration.")
@click.option("--dev", is_flag=True, help="Try it out: keys in memory, a fresh certificate and admin identity.")
@click.option("--key", "key_file", metavar="FILE", type=click.Path(path_type=Path), help="The server's private key.")
@click.option("--cert", "cert_file", metavar="FILE", type=click.Path(path_type=Path), help="Its certificate.")
@click.option("--root", metavar="IDENTITY", help="The identity that may do everything.")
@click.option("--auth", type=click.Choice(["on", "off"]), help="Whether client certificates must be signed by a CA.")
@click.option(
    "--engine",
    type=click.Choice(list(ENGINES)),
    envvar="OPENKES_ENGINE",
    default="auto",
    show_default=True,
    help="What stands on the network: the compiled engine, or its pure-Python twin.",
)
@click.pass_context
def server(
    context: click.Context,
    addr: str | None,
    config_file: Path | None,
    dev: bool,
    key_file: Path | None,
    cert_file: Path | None,
    root: str | None,
    auth: str | None,
    engine: str,
) -> None:
    """Run a key server.

    \b
    Examples:
      kes server --config /etc/openkes/config.yml
      kes server --dev
      kes server --key=server.key --cert=server.cert --root=$(kes tool identity of root.cert) --auth=off
    """
    if context.invoked_subcommand is not None:
        return
    _set_up_logging()
    load: serve.Loader | None = None
    if dev:
        config = dev_mode.configuration(_address(addr or "127.0.0.1:7373"))
    elif config_file is not None:
        overrides = {"addr": addr, "key": key_file, "cert": cert_file, "root": root, "auth": auth}

        def load() -> Config:
            return _override(config_load.load(config_file), overrides)

        config = load()
    else:
        config = _from_flags(addr, key_file, cert_file, root, auth)
        load = lambda: _from_flags(addr, key_file, cert_file, root, auth)  # noqa: E731
    _run(config, load, ENGINES[engine])


@server.command()
@click.option("--offline", is_flag=True, help="Leave the key store alone.")
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path, offline: bool) -> None:
    """Check a configuration FILE without starting anything.

    Reads the TLS files, logs in to the key store, and creates, reads and deletes a probe key there, so that a missing
    permission is known before a server needs it. Prints the digest of what all servers of a group must have in common.

    \b
    Example:
      kes server check /etc/openkes/config.yml
    """
    config = config_load.load(file)
    for warning in checks.check(config):
        click.echo(f"kes: warning: {warning}", err=True)
    if not offline:
        click.echo(f"key store: {checks.check_store(config.keystore)}", err=True)
    click.echo(f"{file}: valid")
    # What a server that has read it tells in its status.
    click.echo(f"configuration: {digest(config)}")


def _run(config: Config, load: serve.Loader | None, engine: bool | None) -> None:
    signals = serve.catch_signals()
    try:
        running = serve.start(config, engine)
    except OperatorError as error:
        # systemd would start it again in two seconds, and for ever; a login that is refused a few times is locked.
        if error.again_after and "INVOCATION_ID" in os.environ:
            click.echo(f"kes: error: {error}", err=True)
            click.echo(f"kes: hint: {error.hint}; this process waits {error.again_after:g} s before it ends", err=True)
            serve.rest(error.again_after, signals)
        raise
    for line in _banner(config, running):
        click.echo(line, err=True)
    try:
        serve.wait(running, load, signals)
    finally:
        running.stop()


def _banner(config: Config, running: serve.Running) -> list[str]:
    host, port = running.front.address
    where = f"[{host}]" if ":" in host else host
    engine = {
        "engine": "compiled engine (HTTP/1.1 and HTTP/2)",
        "python": "pure-Python twin (HTTP/1.1 only): for evaluation; install openkes[engine] for production",
    }[running.front.name]
    store = config.keystore.describe()
    clients = "signed by a CA" if config.tls.verify_clients else "any certificate, self-signed included"
    audit = "off"
    if config.log.audit:
        audit = config.audit.where + (", required for every answer with key matter" if config.audit.required else "")
    return [
        f"kes {__version__} (openkes)",
        f"  listening   https://{where}:{port}",
        f"  engine      {engine}",
        f"  key store   {store}",
        f"  clients     {clients}",
        f"  admin       {config.admin or 'disabled'}",
        f"  audit       {audit}",
    ]


def _address(text: str) -> tuple[str, int]:
    try:
        return parse_address(text)
    except ValueError as error:
        raise OperatorError(str(error)) from None


def _identity(text: str) -> str:
    if not is_identity(text.lower()):
        raise OperatorError(
            "--root is not an identity (64 hex digits)", "print one with: kes tool identity of CERTIFICATE"
        )
    return text.lower()


def _from_flags(
    addr: str | None, key_file: Path | None, cert_file: Path | None, root: str | None, auth: str | None
) -> Config:
    """The form of 2021: no file, keys in memory."""
    if key_file is None or cert_file is None:
        raise OperatorError(
            "there is nothing to start with", "give --config FILE, or --key and --cert, or try: kes server --dev"
        )
    return Config(
        tls=TLS(key_file, cert_file, os.environ.get("KES_TLS_PASSWORD"), verify_clients=auth == "on"),
        keystore=MemorySettings(),
        address=_address(addr or "0.0.0.0:7373"),
        admin=_identity(root) if root else None,
        log=Log(),
    )


def _override(config: Config, flags: Mapping[str, object]) -> Config:
    """Flags win over the file."""
    given: dict[str, object] = {}
    if flags["addr"]:
        given["address"] = _address(str(flags["addr"]))
    if flags["root"]:
        given["admin"] = _identity(str(flags["root"]))
    tls = {name: flags[name] for name in ("key", "cert") if flags[name]}
    if flags["auth"]:
        tls["verify_clients"] = flags["auth"] == "on"
    if tls:
        given["tls"] = dataclasses.replace(config.tls, **tls)  # type: ignore[arg-type]
    return dataclasses.replace(config, **given)  # type: ignore[arg-type]


def _set_up_logging() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
