"""Identities: the hash of a public key, API keys, and self-signed client certificates.

An identity is the lower-case hex SHA-256 of the DER SubjectPublicKeyInfo, so a certificate renewed on the
same key keeps it. Functions of values only: files, prompts and the network belong to the callers; nothing
here knows policies or what an identity may do.
"""

from __future__ import annotations

from openkes.identity.apikey import (
    API_KEY_PREFIX,
    api_key_of_seed,
    generate_api_key,
    identity_of_api_key,
    key_pair_of_api_key,
)
from openkes.identity.certificate import (
    identity_of_certificate,
    identity_of_public_key,
    is_ca,
    load_certificate,
)
from openkes.identity.failures import APIKeyError, CertificateError, IdentityError
from openkes.identity.selfsigned import DEFAULT_EXPIRY, KeyPair, KeyType, new_identity, self_signed
from openkes.identity.text import is_identity

__all__ = [
    "API_KEY_PREFIX",
    "DEFAULT_EXPIRY",
    "APIKeyError",
    "CertificateError",
    "IdentityError",
    "KeyPair",
    "KeyType",
    "api_key_of_seed",
    "generate_api_key",
    "identity_of_api_key",
    "identity_of_certificate",
    "identity_of_public_key",
    "is_ca",
    "is_identity",
    "key_pair_of_api_key",
    "load_certificate",
    "new_identity",
    "self_signed",
]
