"""`kes server --dev`: everything made on the spot, nothing kept. The TLS files live as long as the process."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import click

from openkes.config.keystores.memory import MemorySettings
from openkes.config.schema import TLS, Config
from openkes.identity import generate_api_key, identity_of_api_key, new_identity


def configuration(address: tuple[str, int]) -> Config:
    """Prints how to talk to the server; the API key is shown this once."""
    folder = Path(tempfile.mkdtemp(prefix="openkes-dev-"))  # mode 0700
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    pair = new_identity("localhost", ips=["127.0.0.1", "::1"], dns=["localhost"])
    for name, data in (("server.key", pair.key), ("server.cert", pair.certificate)):
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
    api_key = generate_api_key()
    host, port = address
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    for line in (
        "For trying out only: keys, certificate and admin identity are gone when this process ends.",
        "In another terminal:",
        "",
        f"  export KES_SERVER=https://{where}",
        f"  export KES_API_KEY={api_key}",
        "  kes key create -k my-key",
        "",
    ):
        click.echo(line, err=True)
    return Config(
        tls=TLS(folder / "server.key", folder / "server.cert"),
        keystore=MemorySettings(),
        address=address,
        admin=identity_of_api_key(api_key),
    )
