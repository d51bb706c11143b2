"""`tls:` of a key store behind a network: whom to trust, and the client certificate to show."""

from __future__ import annotations

from openkes.config import values
from openkes.config.keystores.given import given
from openkes.config.node import Node
from openkes.keystore.http import ClientTLS


def client_tls(node: Node) -> ClientTLS:
    """Of `{ca, key, cert}`, each optional, key and cert together. ConfigError."""
    keys = given(node, "ca", "key", "cert")
    paths = {name: values.path(item) for name, item in keys.items()}
    for one, other in (("key", "cert"), ("cert", "key")):
        if one in paths and other not in paths:
            raise keys[one].error(
                f"'{node.path}.{other}' is missing", "a client certificate is a pair of files, key and cert"
            )
    return ClientTLS(**paths)
