"""What can be wrong with a certificate, an API key or the wish for a new identity."""

from __future__ import annotations


class IdentityError(ValueError):
    """What was given is not usable as an identity; the text says why and never holds key matter."""


class CertificateError(IdentityError):
    """Not a certificate, or one that cannot be read."""


class APIKeyError(IdentityError):
    """Not an API key of the form `kes:v1:` + base64."""
