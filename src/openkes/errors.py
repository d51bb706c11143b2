"""The one registry of API errors: code, status, text, meaning.

Owns every text a client can read. The SDK compares some of them byte for byte (marked EXACT).
Must not know HTTP libraries; whoever answers renders `APIError` once, at the outermost edge.
"""

from __future__ import annotations

from enum import Enum


class Code(Enum):
    """Each member: HTTP status, text (a format string), what it means."""

    # EXACT: the SDK turns status and text into its own error values.
    KEY_NOT_FOUND = (404, "key does not exist", "no such key in the store")
    POLICY_NOT_FOUND = (404, "policy does not exist", "no such policy in the configuration")
    IDENTITY_NOT_FOUND = (404, "identity does not exist", "the identity is in no policy and not the admin")
    KEY_EXISTS = (400, "key already exists", "create and import never replace a key")
    NOT_AUTHENTIC = (
        400,
        "decryption failed: ciphertext is not authentic",
        "malformed, modified, or made with another key or context: deliberately one error",
    )
    NOT_ALLOWED = (403, "not authorized: insufficient permissions", "no allow rule, or a deny rule")

    # Free in wording.
    BAD_NAME = (
        400,
        "key name '{name}' is empty, too long or contains invalid characters",
        "1 to 80 of 0-9 A-Z a-z _ -",
    )
    BAD_BODY = (400, "invalid request body", "not the JSON object this route expects")
    EMPTY_BODY = (
        400,
        "invalid request body: it is empty; send {{}} for 'no context'",
        "a client that fails over loses its body: answering would bind a data key to no context",
    )
    NO_CERTIFICATE = (
        400,
        "tls: client certificate is required",
        "the connection has no client certificate and the route needs one",
    )
    CA_CERTIFICATE = (
        400,
        "tls: client certificate is required: the one received is a CA certificate (CA:TRUE, as 'openssl req"
        " -x509' makes by default); add basicConstraints=critical,CA:FALSE",
        "a CA certificate is not a client certificate",
    )
    BAD_CERTIFICATE = (
        400,
        "tls: client certificate is required: the one received cannot be read; make one with 'kes identity new'",
        "its extensions are malformed, so nobody can tell whether it is a CA's",
    )
    NOT_FORWARDED = (
        400,
        "tls: client certificate is required: the proxy forwarded none in {header}",
        "tls.proxy lists this client as a proxy, so its own certificate does not count",
    )
    BAD_FORWARDED = (
        400,
        "tls: client certificate is required: the one in {header} cannot be read; send URL-escaped PEM",
        "nginx: proxy_set_header {header} $ssl_client_escaped_cert",
    )
    UNTRUSTED_FORWARDED = (
        400,
        "tls: client certificate is required: no CA of tls.ca vouches for the one in {header}: {why}",
        "tls.auth is on: it holds for clients behind a proxy too, whatever the proxy itself checks",
    )
    NOT_FOUND = (404, "no such route", "the path is not part of the API")
    BAD_METHOD = (
        405,
        "received method '{method}' expected '{expected}'",
        "the route exists for another method",
    )
    BAD_CIPHER = (
        406,
        "algorithm '{cipher}' is not supported: use AES256 or ChaCha20",
        "import: unknown cipher",
    )
    BAD_KEY_SIZE = (406, "invalid key size for '{cipher}': {size} bytes, expected 32", "import: wrong length")
    NO_HMAC_KEY = (409, "key '{name}' has no HMAC key: it was made by an old version", "hmac on an old entry")
    CHANGED = (409, "key '{name}' was changed by somebody else meanwhile: try again", "a lost race between two changes")
    TOO_LARGE = (413, "request body too large", "over the route's limit")
    KEY_CORRUPT = (
        500,
        "stored key '{name}' is malformed: restore it from a backup",
        "the entry in the key store cannot be parsed; it is never replaced",
    )
    INTERNAL = (500, "internal server error", "a defect; the log has the traceback")
    AUDIT_FAILED = (503, "audit log cannot be written", "audit.mode is required: no answer without its line")
    STORE_UNREACHABLE = (502, "key store is not reachable", "the store failed; the log names the cause")
    TIMEOUT = (504, "request timed out: the key store does not answer", "over the route's time limit")
    STORE_NOT_READY = (504, "key store is not reachable", "ready: the store does not answer")

    def __init__(self, status: int, text: str, meaning: str) -> None:
        self.status = status
        self.text = text
        self.meaning = meaning


class APIError(Exception):
    """An answer other than 200. `str()` is the text on the wire."""

    def __init__(self, code: Code, **values: object) -> None:
        self.code = code
        self.status = code.status
        self.message = code.text.format(**values)
        super().__init__(self.message)


class OperatorError(Exception):
    """What an operator can mend: one sentence with cause and next step. No traceback is shown for it. `again_after`:
    seconds before whoever starts this process by itself should do so again."""

    def __init__(self, text: str, hint: str = "", again_after: float = 0.0) -> None:
        self.hint = hint
        self.again_after = again_after
        super().__init__(text)
