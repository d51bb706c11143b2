"""Configuration files: a Config of sound values, or ConfigError with file and line."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path

from openkes.config import load
from openkes.config.node import ConfigError
from openkes.policy import Policy
from tests.fuzz.target import Target

# In memory where there is such a folder: a run is a file written and read.
_FOLDER = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
_FILE = Path(_FOLDER.name) / f"config-{os.getpid()}.yml"
_ID = b"ab" * 32
_MINIMUM = b"version: v1\ntls: {key: a, cert: b}\nkeystore: {memory: {}}\n"


def check(data: bytes) -> None:
    """The bytes are the file."""
    _FILE.write_bytes(data)
    try:
        config = load.load(_FILE)
    except ConfigError as error:
        assert str(error).startswith(str(_FILE)), "the error does not name the file"
        return
    times = [config.cache.any, config.cache.unused, config.cache.offline]
    times += [route.timeout for route in config.api.values() if route.timeout is not None]
    assert all(math.isfinite(time) and time >= 0 for time in times), "a time without end"
    assert 0 <= config.address[1] <= 65535
    for settings in config.policies.values():
        assert isinstance(settings.policy, Policy)
        assert config.admin not in settings.identities


TARGET = Target(
    "config",
    check,
    seeds=(
        _MINIMUM,
        _MINIMUM + b"address: 0.0.0.0:7373\nadmin: {identity: " + _ID + b"}\n",
        _MINIMUM + b"api: {/v1/ready: {skip_auth: on, timeout: 1m15.5s}}\n",
        _MINIMUM + b"policy:\n  p:\n    allow: [/v1/key/a*]\n    deny:\n    - /v1/b\n    identities: [" + _ID + b"]\n",
        _MINIMUM + b"cache: {expiry: {any: 5m0s, unused: 30s, offline: 0s}}\nlog: {error: on, audit: off}\n",
        _MINIMUM + b"keys: [{name: k}]\naudit: {file: /a}\n",
        b"version: v1\ntls:\n  key: ${HOME}/k\n  cert: c\n  auth: on\n  ca: d\n"
        b"  proxy: {identities: [" + _ID + b"], header: {cert: X-C}}\nkeystore: {fs: {path: /p}}\n",
        b"version: v1\ntls: &t {key: a, cert: b}\nkeystore: &k {fs: *k}\n",
    ),
    words=(
        *(
            b"tls:",
            b"keystore:",
            b"policy:",
            b"cache:",
            b"expiry:",
            b"\n  ",
            b"\n- ",
            b": ",
            b"&a ",
            b"*a",
            b"!!int ",
        ),
        *(
            b"'",
            b'"',
            b"|\n",
            b">-\n ",
            b"---\n",
            b"%YAML 1.1\n",
            b"${",
            b"${}",
            b"${HOME}",
            b"}",
            b"{",
            b"[",
            b"<<: *a",
        ),
        *(
            b"9" * 400 + b"s",
            b"1e9h",
            b".5s",
            b":99999",
            b"[::]:7373",
            b"\xff\xfe",
            b"\x00",
            b"\\ud800",
            b"{" * 400,
            _ID,
        ),
    ),
    max_length=400,  # reading YAML takes a millisecond for every hundred bytes
)
