# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A key and certificate that the operator brings: read from the controller, checked to belong together."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from ansible_collections.openkes.kes.plugins.plugin_utils.authority import spki
from cryptography import x509
from cryptography.hazmat.primitives import serialization


class BroughtError(Exception):
    """The files cannot be used; the text says which and why."""


def pair(key_file: str | None, certificate_file: str | None, now: dt.datetime) -> tuple[str, str]:
    """PEM texts of key and certificate. Raises BroughtError."""
    if not key_file or not certificate_file:
        raise BroughtError("mode files needs both a key and a certificate on the controller, and one is not given.")
    try:
        key_text = Path(key_file).expanduser().read_text()
        certificate_text = Path(certificate_file).expanduser().read_text()
    except OSError as error:
        raise BroughtError(f"{error.filename} cannot be read on the controller ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise BroughtError(f"{key_file} or {certificate_file} is not in PEM form.") from None
    try:
        key = serialization.load_pem_private_key(key_text.encode(), None)
    except TypeError:
        raise BroughtError(f"{key_file} is protected by a password. Bring it without one.") from None
    except ValueError:
        raise BroughtError(f"{key_file} is not a private key in PEM form.") from None
    try:
        certificate = x509.load_pem_x509_certificate(certificate_text.encode())
    except ValueError:
        raise BroughtError(f"{certificate_file} is not a certificate in PEM form.") from None
    if spki(key.public_key()) != spki(certificate.public_key()):
        raise BroughtError(f"{certificate_file} was not made for the key {key_file}.")
    if certificate.not_valid_after_utc <= now:
        raise BroughtError(
            f"{certificate_file} ended on {certificate.not_valid_after_utc:%Y-%m-%d}. Bring one that is still valid."
        )
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    if authority:
        raise BroughtError(
            f"{certificate_file} is the certificate of an authority (CA:TRUE). A leaf certificate is needed:"
            " with `openssl req -x509`, add `-addext basicConstraints=critical,CA:FALSE`."
        )
    return key_text, certificate_text
