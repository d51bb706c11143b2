"""On the host: initialise and unseal OpenBao, mount the KV engine, make the key servers' policy and login.

Writes /root/bao.json (root token and unseal key), /root/role_id and /root/secret_id, for root only.
"""

import json
import os
import pathlib
import ssl
import sys
import time
import urllib.error
import urllib.request

URL = "https://localhost:8200/v1/"
CONTEXT = ssl.create_default_context(cafile="/etc/openbao/ca.crt")
WITHIN = 60.0  # seconds


def call(method, path, body=None, token=""):
    request = urllib.request.Request(URL + path, method=method, data=json.dumps(body).encode() if body else None)
    if token:
        request.add_header("X-Vault-Token", token)
    with urllib.request.urlopen(request, context=CONTEXT, timeout=20) as answer:
        text = answer.read()
    return json.loads(text) if text else {}


def until(path, *arguments):
    """The call's answer, as soon as there is a good one."""
    deadline = time.monotonic() + WITHIN
    while True:
        try:
            return call("GET", path, *arguments)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def keep(path, text):
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)


until("sys/seal-status")
made = call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
keep("/root/bao.json", json.dumps({"root": made["root_token"], "unseal": made["keys"][0]}))
call("PUT", "sys/unseal", {"key": made["keys"][0]})
until("sys/health")
root = made["root_token"]
call("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}}, root)
until("kv/config", None, root)
call("PUT", "sys/policies/acl/openkes", {"policy": pathlib.Path(sys.argv[1]).read_text()}, root)
call("POST", "sys/auth/approle", {"type": "approle"}, root)
# So short that renewal and new logins happen all the time.
ROLE = {"token_policies": ["openkes"], "token_ttl": "10s", "token_max_ttl": "1m"}
call("POST", "auth/approle/role/openkes", ROLE, root)
keep("/root/role_id", call("GET", "auth/approle/role/openkes/role-id", None, root)["data"]["role_id"])
keep("/root/secret_id", call("POST", "auth/approle/role/openkes/secret-id", {"ttl": "0"}, root)["data"]["secret_id"])
