"""The connection options of every command that talks to a server, and what they and the environment mean."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from openkes.cli import hints
from openkes.cli.paths import FILE
from openkes.client import APIKey, Client, ClientError, Credentials, Endpoint, KeyFiles, Patience, Trust
from openkes.errors import OperatorError

DEFAULT_SERVER = "https://127.0.0.1:7373"
PASSWORD_VARIABLE = "KES_CLIENT_KEY_PASSWORD"  # noqa: S105  # the name of it
CONNECTION_OPTIONS = ("server", "key_file", "cert_file", "api_key_file", "ca", "insecure")
_SERVER_VARIABLES = ("KES_SERVER", "MINIO_KES_SERVER")
_API_KEY_VARIABLES = ("KES_API_KEY", "MINIO_KES_API_KEY")

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Connection:
    """Where to connect, as whom, and where the address came from."""

    server: str
    source: str
    credentials: Credentials | None
    trust: Trust

    @contextmanager
    def client(self, *, anonymous: bool = False, patience: Patience | None = None) -> Iterator[Client]:
        """A client whose failures come out as OperatorError with a hint. `anonymous`: no identity is needed."""
        if self.credentials is None and not anonymous:
            raise OperatorError("no client identity is given", hints.SET_IDENTITY)
        client = Client(Endpoint.parse(self.server), self.credentials, self.trust, patience)
        with client:
            try:
                yield client
            except ClientError as error:
                raise hints.explain(error, client, self.source) from error


def connected(function: Function) -> Function:
    """Adds the options and hands the command a `connection`."""

    @click.option("-s", "--server", metavar="URL", help=f"Server, HOST:PORT or URL.  [default: {DEFAULT_SERVER}]")
    @click.option("--key", "key_file", type=FILE, metavar="FILE", help="Client private key, PEM.")
    @click.option("--cert", "cert_file", type=FILE, metavar="FILE", help="Client certificate, PEM.")
    @click.option("--api-key-file", type=FILE, metavar="FILE", help="File with an API key instead of the two.")
    @click.option("--ca", type=FILE, metavar="PATH", help="Certificates that vouch for the server: file or folder.")
    @click.option("-k", "--insecure", is_flag=True, help="Do not verify the server's certificate.")
    @wraps(function)
    def command(*args: Any, **kwargs: Any) -> Any:
        given = {name: kwargs.pop(name) for name in CONNECTION_OPTIONS}
        return function(*args, connection=connection_of(given), **kwargs)

    command.needs_connection = True  # type: ignore[attr-defined]  # the reference tells these options once
    return command  # type: ignore[return-value]


def connection_of(given: Mapping[str, Any], ask: Callable[[], str] | None = None) -> Connection:
    """From the values of CONNECTION_OPTIONS and the environment. `ask`: for the password of an encrypted key.

    UsageError, OperatorError."""
    ask = ask or ask_password
    server = given.get("server")
    url, source = (server, "--server") if server else _server()
    key, cert, api_key = (given.get(name) for name in ("key_file", "cert_file", "api_key_file"))
    credentials = _from_options(key, cert, api_key, ask) or _from_environment(ask)
    ca: Path | None = given.get("ca") or (Path(value) if (value := os.environ.get("KES_CA_PATH")) else None)
    return Connection(url, source, credentials, Trust(ca, bool(given.get("insecure"))))


def _server() -> tuple[str, str]:
    name, value = _first(_SERVER_VARIABLES)
    return (value, name) if value else (DEFAULT_SERVER, "")


def _first(variables: tuple[str, ...]) -> tuple[str, str]:
    """The first that is set and not empty."""
    return next(((name, value) for name in variables if (value := os.environ.get(name))), ("", ""))


def _from_options(
    key: Path | None, cert: Path | None, api_key: Path | None, ask: Callable[[], str]
) -> Credentials | None:
    if api_key is not None:
        if key is not None or cert is not None:
            raise click.UsageError("give --api-key-file or --key and --cert, not both")
        return APIKey(_read_api_key(api_key))
    if (key is None) != (cert is None):
        raise click.UsageError("--key and --cert belong together")
    return KeyFiles(key, cert, ask) if key is not None and cert is not None else None


def _from_environment(ask: Callable[[], str]) -> Credentials | None:
    key, cert = os.environ.get("KES_CLIENT_KEY"), os.environ.get("KES_CLIENT_CERT")
    name, api_key = _first(_API_KEY_VARIABLES)
    if api_key and (key or cert):
        pair = "KES_CLIENT_KEY" if key else "KES_CLIENT_CERT"
        raise OperatorError(f"both {name} and {pair} are set: which identity is meant?", "unset one of them")
    if api_key:
        return APIKey(api_key.strip())
    if key and cert:
        return KeyFiles(Path(key), Path(cert), ask)
    if key or cert:
        there, missing = ("KES_CLIENT_KEY", "KES_CLIENT_CERT") if key else ("KES_CLIENT_CERT", "KES_CLIENT_KEY")
        raise OperatorError(f"{there} is set but {missing} is not", f"export {missing}=FILE")
    return None


def _read_api_key(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except UnicodeDecodeError:
        raise OperatorError(f"{path} does not hold an API key") from None
    except OSError as error:
        raise OperatorError(f"cannot read the API key file {path}: {error.strerror}") from error


def ask_password() -> str:
    """The password of an encrypted client key: the environment's, else from the terminal. OperatorError."""
    if password := os.environ.get(PASSWORD_VARIABLE):
        return password
    if not sys.stdin.isatty():
        raise OperatorError("the private key is protected by a password", f"set {PASSWORD_VARIABLE}")
    answer: str = click.prompt("Password of the private key", hide_input=True, err=True)
    return answer
