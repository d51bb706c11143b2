"""`kes key encrypt|decrypt|dek|hmac`: using a key by hand, for tests and repairs. JSON out, bytes as base64."""

from __future__ import annotations

import base64
import binascii
import sys

import click

from openkes.cli import complete, keyname, output
from openkes.cli.options import Connection, connected
from openkes.errors import OperatorError

_STDIN = "-"
_ALWAYS_JSON = click.option("--json", "_json", is_flag=True, expose_value=False, help="Always so here.")


@click.command()
@click.argument("name", callback=keyname.check, shell_complete=complete.keys)
@click.argument("message")
@click.argument("context", default="")
@_ALWAYS_JSON
@connected
def encrypt(name: str, message: str, context: str, connection: Connection) -> None:
    """Encrypt MESSAGE, a text, or - for the bytes on standard input. Prints {"ciphertext": base64}.

    CONTEXT is a text that must be given again to decrypt.

    \b
    Example:
      kes key encrypt my-key "Hello World"
    """
    plaintext = _bytes(message)
    with connection.client() as client:
        ciphertext = client.encrypt(name, plaintext, _context(context))
    output.as_json({"ciphertext": _text(ciphertext)})


@click.command()
@click.argument("name", callback=keyname.check, shell_complete=complete.keys)
@click.argument("ciphertext")
@click.argument("context", default="")
@_ALWAYS_JSON
@connected
def decrypt(name: str, ciphertext: str, context: str, connection: Connection) -> None:
    """Decrypt CIPHERTEXT, base64, or - for base64 on standard input. Prints {"plaintext": base64}.

    CONTEXT is the text that was given when encrypting, exactly.

    \b
    Example:
      kes key decrypt my-key "$CIPHERTEXT" | jq -r .plaintext | base64 -d
    """
    if ciphertext == _STDIN:
        ciphertext = sys.stdin.read()
    try:
        data = base64.b64decode("".join(ciphertext.split()), validate=True)
    except (binascii.Error, ValueError):
        raise OperatorError("the ciphertext is not valid base64", "was it cut off when copied?") from None
    with connection.client() as client:
        plaintext = client.decrypt(name, data, _context(context))
    output.as_json({"plaintext": _text(plaintext)})


@click.command()
@click.argument("name", callback=keyname.check, shell_complete=complete.keys)
@click.argument("context", default="")
@_ALWAYS_JSON
@connected
def dek(name: str, context: str, connection: Connection) -> None:
    """Make a data key, plain and encrypted. Prints {"plaintext": base64, "ciphertext": base64}.

    CONTEXT is a text that must be given again to decrypt, as for instance {"bucket":"bucket/object"}.

    \b
    Examples:
      kes key dek my-key
      kes key dek my-key '{"bucket":"bucket/object"}'
    """
    with connection.client() as client:
        plaintext, ciphertext = client.generate(name, _context(context))
    output.as_json({"plaintext": _text(plaintext), "ciphertext": _text(ciphertext)})


@click.command()
@click.argument("name", callback=keyname.check, shell_complete=complete.keys)
@click.argument("message")
@_ALWAYS_JSON
@connected
def hmac(name: str, message: str, connection: Connection) -> None:
    """The HMAC-SHA256 of MESSAGE, a text, or - for the bytes on standard input. Prints {"hmac": base64}.

    \b
    Example:
      kes key hmac my-key - < file
    """
    data = _bytes(message)
    with connection.client() as client:
        output.as_json({"hmac": _text(client.hmac(name, data))})


def _bytes(text: str) -> bytes:
    return sys.stdin.buffer.read() if text == _STDIN else _context(text)


def _context(text: str) -> bytes:
    # what the shell handed over, byte for byte, even where it is no UTF-8
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
