# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a certificate is still the right one, and in plain words why not.

Pure: certificate, wishes and clock are arguments. Runs on the controller only.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass

from ansible_collections.openkes.kes.plugins.plugin_utils.authority import USAGES, spki
from cryptography import x509
from cryptography.exceptions import InvalidSignature


@dataclass(frozen=True)
class Wanted:
    """What the certificate must be: for this key, these names, this use, and signed by whom (None: by itself)."""

    public: object
    names: list[str]
    usage: str
    issuer: x509.Certificate | None


def fault(pem: str | None, wanted: Wanted, now: dt.datetime) -> str | None:
    """None when the certificate is good; otherwise the reason to issue it again."""
    if not pem or not pem.strip():
        return "there is none yet"
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        ours = spki(certificate.public_key()) == spki(wanted.public)
    except ValueError:
        return "the present one cannot be read"
    if not ours:
        return "the present one belongs to another key"
    return _issuer_fault(certificate, wanted) or _content_fault(certificate, wanted) or age_fault(certificate, now)


def _issuer_fault(certificate: x509.Certificate, wanted: Wanted) -> str | None:
    issuer = wanted.issuer or certificate
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return "the present one was not issued by the present authority" if wanted.issuer else "it is not self-signed"
    return None


def _content_fault(certificate: x509.Certificate, wanted: Wanted) -> str | None:
    try:
        if certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return "the present one is the certificate of an authority"
    except x509.ExtensionNotFound:
        pass
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return f"the present one does not say that it is for a {wanted.usage}"
    if USAGES[wanted.usage] not in uses:
        return f"the present one is not for a {wanted.usage}"
    have, want = names_of(certificate), {_canonical(name) for name in wanted.names}
    if have != want:
        added, gone = sorted(want - have), sorted(have - want)
        words = [f"without {', '.join(added)}"] if added else []
        words += [f"with {', '.join(gone)}, no longer used"] if gone else []
        return f"the present one is {' and '.join(words)}"
    return None


def age_fault(certificate: x509.Certificate, now: dt.datetime) -> str | None:
    """Less than a third of the lifetime left: time to renew, with room for a run or two that fails."""
    end, begin = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    left = end - now
    if left <= dt.timedelta(0):
        return f"the present one ended on {end:%Y-%m-%d}"
    if left < (end - begin) / 3:
        return f"the present one ends on {end:%Y-%m-%d}, less than a third of its lifetime is left"
    return None


def names_of(certificate: x509.Certificate) -> set[str]:
    """Subject alternative names as text."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {_canonical(str(entry.value)) for entry in names}


def _canonical(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()
