# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The admin (root) identity: a key that lives with the operator and a self-signed certificate for it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from ansible_collections.openkes.kes.plugins.plugin_utils.authority import (
    Authority,
    AuthorityError,
    identity,
    new_key,
    private_pem,
    public_pem,
    self_signed,
    spki,
    write,
)
from ansible_collections.openkes.kes.plugins.plugin_utils.verdict import age_fault
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class AdminState:
    """`identity` is "" while there is no key; `reason` says why something has to be made, None when all is well."""

    identity: str
    reason: str | None


def admin_state(authority: Authority, now: dt.datetime) -> AdminState:
    """Look, change nothing. Raises AuthorityError when the key is there and cannot be used."""
    key_file, certificate_file = authority.folder / "admin.key", authority.folder / "admin.crt"
    if not key_file.exists():
        return AdminState("", "there is none yet")
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except (ValueError, TypeError):
        raise AuthorityError(
            f"{key_file} is not a private key without a password. Restore it from the backup: another admin key is"
            " another identity, which the key servers do not know."
        ) from None
    who = identity(key.public_key())
    if not certificate_file.exists():
        return AdminState(who, "its certificate is missing")
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except ValueError:
        return AdminState(who, "its certificate cannot be read")
    if spki(certificate.public_key()) != spki(key.public_key()):
        return AdminState(who, "its certificate belongs to another key")
    return AdminState(who, age_fault(certificate, now))


def keep_admin(authority: Authority, common_name: str, days: int, now: dt.datetime) -> AdminState:
    """Make what is missing. The key, once made, is never replaced; its certificate is renewed for the same key."""
    key_file = authority.folder / "admin.key"
    if key_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise AuthorityError(
                f"{key_file} is not an ECDSA key, and its certificate needs renewal: renew it by hand."
            )
    else:
        key = new_key()
        write(key_file, private_pem(key), 0o600)
    write(authority.folder / "admin.crt", public_pem(self_signed(key, common_name, "client", days, now)), 0o644)
    return admin_state(authority, now)
