"""API keys: an Ed25519 seed as one line of text. Must not know files or the environment."""

from __future__ import annotations

import base64
import os
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ed25519

from openkes.identity.certificate import identity_of_public_key
from openkes.identity.failures import APIKeyError
from openkes.identity.selfsigned import KeyPair, self_signed

API_KEY_PREFIX = "kes:v1:"
_ED25519_TAG = b"\x00"
_SEED_SIZE = 32


def private_key_of_api_key(text: str) -> ed25519.Ed25519PrivateKey:
    """The Ed25519 key of `kes:v1:` + base64(0x00 || 32-byte seed). APIKeyError."""
    if not text.startswith(API_KEY_PREFIX):
        raise APIKeyError(f"an API key begins with {API_KEY_PREFIX}")
    try:
        raw = base64.b64decode(text[len(API_KEY_PREFIX) :], validate=True)
    except ValueError:
        raise APIKeyError("the API key is not valid base64: was it cut off when copied?") from None
    if len(raw) != 1 + _SEED_SIZE:
        raise APIKeyError(f"the API key has {len(raw)} bytes instead of 33: was it cut off when copied?")
    if raw[:1] != _ED25519_TAG:
        raise APIKeyError("the API key is of an unknown type: only Ed25519 is known")
    return ed25519.Ed25519PrivateKey.from_private_bytes(raw[1:])


def api_key_of_seed(seed: bytes) -> str:
    """The API key text of a 32-byte Ed25519 seed."""
    if len(seed) != _SEED_SIZE:
        raise APIKeyError(f"the seed has {len(seed)} bytes instead of {_SEED_SIZE}")
    return API_KEY_PREFIX + base64.b64encode(_ED25519_TAG + seed).decode("ascii")


def generate_api_key() -> str:
    """A new random API key."""
    return api_key_of_seed(os.urandom(_SEED_SIZE))


def identity_of_api_key(text: str) -> str:
    """APIKeyError."""
    return identity_of_public_key(private_key_of_api_key(text).public_key())


def key_pair_of_api_key(text: str, *, now: datetime | None = None) -> KeyPair:
    """What the key's holder shows in TLS: a fresh self-signed certificate for the key. APIKeyError."""
    return self_signed(private_key_of_api_key(text), now=now)
