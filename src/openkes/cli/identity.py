"""`kes identity new|of`: needs no server. The others of the group, which need one, are in `known`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from openkes.cli import duration, output
from openkes.cli.files import PRIVATE, PUBLIC, write_new
from openkes.cli.known import info, ls
from openkes.cli.options import PASSWORD_VARIABLE
from openkes.cli.paths import FILE
from openkes.errors import OperatorError

MAX_FILE = 1024 * 1024  # a chain of certificates is a few KiB


@click.group()
def identity() -> None:
    """Make identities, show whose a certificate is and what an identity may do.

    An identity is the SHA-256 of a public key, in hex. The server's configuration names identities; they are
    no secret.
    """


for _command in (info, ls):
    identity.add_command(_command)


@identity.command()
@click.argument("subject", default="")
@click.option("--key", "key_file", type=FILE, metavar="FILE", help="Where the private key goes (mode 0600).")
@click.option("--cert", "cert_file", type=FILE, metavar="FILE", help="Where the certificate goes.")
@click.option("--ip", "ips", multiple=True, metavar="IP", help="Address the certificate is for; may be repeated.")
@click.option("--dns", multiple=True, metavar="NAME", help="Host name the certificate is for; may be repeated.")
@click.option(
    "--expiry",
    callback=duration.parse,
    metavar="DURATION",
    default="720h",
    show_default=True,
    help="How long the certificate lasts.",
)
@click.option(
    "--key-type",
    type=click.Choice(["ecdsa-p256", "ed25519"]),
    default="ecdsa-p256",
    show_default=True,
    help="Kind of private key in the file.",
)
@click.option("--encrypt", is_flag=True, help=f"Protect the private key: asks, or takes {PASSWORD_VARIABLE}.")
@click.option("--password-file", type=FILE, metavar="FILE", help="Protect it with the first line of FILE.")
@click.option("-f", "--force", is_flag=True, help="Overwrite files that exist.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
def new(
    *,
    subject: str,
    key_file: Path | None,
    cert_file: Path | None,
    ips: Sequence[str],
    dns: Sequence[str],
    expiry: timedelta,
    key_type: str,
    encrypt: bool,
    password_file: Path | None,
    force: bool,
    json_wanted: bool,
) -> None:
    """Make a new identity.

    With --key and --cert it writes a private key and a self-signed certificate, named SUBJECT, and prints the
    identity. Without them it prints an API key, once, and its identity.

    An encrypted key is PKCS#8. MinIO's MINIO_KMS_KES_KEY_PASSWORD wants the older form of it:
    openssl pkey -in FILE -aes256 -traditional -out FILE2

    \b
    Examples:
      kes identity new --key root.key --cert root.cert root
      kes identity new --key server.key --cert server.cert --ip 10.1.2.3 --dns kes-1 kes-1
      kes identity new
    """
    if key_file is None and cert_file is None:
        if subject or ips or dns or encrypt or password_file:
            raise click.UsageError("an API key has no subject, names or password: give --key and --cert for files")
        _new_api_key(json_wanted)
        return
    if key_file is None or cert_file is None:
        raise click.UsageError("--key and --cert belong together")
    if key_file.absolute() == cert_file.absolute():
        raise click.UsageError("--key and --cert are the same file")

    from openkes.identity import IdentityError, KeyType, new_identity  # noqa: PLC0415

    password = _new_password(password_file) if encrypt or password_file else None
    try:
        pair = new_identity(subject, key_type=KeyType(key_type), ips=ips, dns=dns, expiry=expiry, password=password)
    except IdentityError as error:
        raise OperatorError(str(error)) from error
    write_new([(key_file, pair.key, PRIVATE), (cert_file, pair.certificate, PUBLIC)], replace=force)
    if json_wanted:
        output.as_json({"identity": pair.identity})
        return
    output.data(pair.identity)
    output.talk(f"private key in {key_file}, certificate in {cert_file}; above is the identity they stand for")


def _new_api_key(json_wanted: bool) -> None:
    from openkes.identity import generate_api_key, identity_of_api_key  # noqa: PLC0415

    api_key = generate_api_key()
    if json_wanted:
        output.as_json({"api_key": api_key, "identity": identity_of_api_key(api_key)})
        return
    output.table([("API key", api_key), ("Identity", identity_of_api_key(api_key))])
    output.talk("The API key is a secret and is shown only this once: keep it safe. The identity is none.")


def _new_password(file: Path | None) -> bytes:
    if file is not None:
        try:
            password = file.read_bytes().partition(b"\n")[0].removesuffix(b"\r")
        except OSError as error:
            raise OperatorError(f"cannot read the password file {file}: {error.strerror}") from error
        if not password:
            raise OperatorError(f"the first line of the password file {file} is empty")
        return password
    if from_environment := os.environ.get(PASSWORD_VARIABLE):
        return from_environment.encode("utf-8", "surrogateescape")
    if not sys.stdin.isatty():
        hint = f"pass --password-file FILE or set {PASSWORD_VARIABLE}"
        raise OperatorError("there is no terminal to ask for a password", hint)
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return answer.encode()


@identity.command()
@click.argument("source", type=FILE, metavar="FILE|API_KEY")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
def of(source: Path, json_wanted: bool) -> None:
    """Print the identity of a certificate (PEM or DER file) or of an API key.

    - reads either from standard input, where an API key is not visible to other users as it is in an argument.

    \b
    Examples:
      kes identity of root.cert
      kes identity of - < api-key
    """
    from openkes.identity import API_KEY_PREFIX, APIKeyError, IdentityError  # noqa: PLC0415

    text = str(source).strip()
    data = os.fsencode(text) if text.startswith(API_KEY_PREFIX) else _read(source)
    try:
        found = _identity(data)
    except IdentityError as error:
        if isinstance(error, APIKeyError):
            raise OperatorError(str(error)) from error
        hint = "give the certificate that belongs to it" if b"PRIVATE KEY-----" in data else ""
        raise OperatorError(f"{source} has no identity: {error}", hint) from error
    if json_wanted:
        output.as_json({"identity": found})
    else:
        output.data(found)


def _identity(data: bytes) -> str:
    from openkes.identity import (  # noqa: PLC0415
        API_KEY_PREFIX,
        identity_of_api_key,
        identity_of_certificate,
        is_ca,
    )

    if data.startswith(API_KEY_PREFIX.encode()):
        return identity_of_api_key(data.strip().decode("ascii", "replace"))
    found = identity_of_certificate(data)
    if is_ca(data):
        output.hint("this is a CA certificate (CA:TRUE): a server does not accept it from a client")
    return found


def _read(source: Path) -> bytes:
    if str(source) == "-":
        return sys.stdin.buffer.read(MAX_FILE)
    try:
        with source.open("rb") as file:
            return file.read(MAX_FILE)
    except OSError as error:
        raise OperatorError(f"cannot read {source}: {error.strerror}") from error
