"""The routes as data: method, path, limits. The contract's table, in one place.

Read by the configuration (which paths may be tuned), the server (which adds handlers) and the tests.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_BODY = 1024 * 1024  # bytes; as upstream's limit for bodies that carry data
DEFAULT_TIMEOUT = 15.0  # seconds


@dataclass(frozen=True, slots=True)
class Spec:
    """`path` ends with "/" where a name follows. `max_body` 0: a body is ignored. `timeout` in seconds, 0: none.
    `policy` False: any client certificate will do. `may_skip_auth`: the configuration can open it to everybody."""

    name: str
    method: str
    path: str
    max_body: int = 0
    timeout: float = DEFAULT_TIMEOUT
    policy: bool = True
    may_skip_auth: bool = False

    @property
    def takes_name(self) -> bool:
        return self.path.endswith("/")


SPECS = (
    Spec("version", "GET", "/version", timeout=10.0, policy=False, may_skip_auth=True),
    Spec("ready", "GET", "/v1/ready", may_skip_auth=True),
    Spec("status", "GET", "/v1/status", may_skip_auth=True),
    Spec("metrics", "GET", "/v1/metrics", may_skip_auth=True),
    Spec("api", "GET", "/v1/api", timeout=10.0, may_skip_auth=True),
    Spec("key_create", "PUT", "/v1/key/create/"),
    Spec("key_import", "PUT", "/v1/key/import/", MAX_BODY),
    Spec("key_describe", "GET", "/v1/key/describe/"),
    Spec("key_delete", "DELETE", "/v1/key/delete/"),
    Spec("key_list", "GET", "/v1/key/list/"),
    Spec("key_generate", "PUT", "/v1/key/generate/", MAX_BODY),
    Spec("key_encrypt", "PUT", "/v1/key/encrypt/", MAX_BODY),
    Spec("key_decrypt", "PUT", "/v1/key/decrypt/", MAX_BODY),
    Spec("key_hmac", "PUT", "/v1/key/hmac/", MAX_BODY),
    Spec("key_rotate", "PUT", "/v1/key/rotate/"),
    Spec("key_undelete", "PUT", "/v1/key/undelete/"),
    Spec("key_pending", "GET", "/v1/key/pending/"),
    Spec("policy_describe", "GET", "/v1/policy/describe/"),
    Spec("policy_read", "GET", "/v1/policy/read/"),
    Spec("policy_list", "GET", "/v1/policy/list/"),
    Spec("identity_describe", "GET", "/v1/identity/describe/"),
    Spec("identity_list", "GET", "/v1/identity/list/"),
    Spec("identity_self", "GET", "/v1/identity/self/describe", policy=False),
    Spec("log_error", "GET", "/v1/log/error", timeout=0.0),
    Spec("log_audit", "GET", "/v1/log/audit", timeout=0.0),
)
BY_NAME = {spec.name: spec for spec in SPECS}
BY_PATH = {spec.path: spec for spec in SPECS}
