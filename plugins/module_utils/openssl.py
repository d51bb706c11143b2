# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private keys and certificates on a managed host, by its own `openssl` command.

Owns the command lines and the configuration text they need. Private keys are made on the host they are used on and
are handed to no argument and no output. Knows nothing of what the certificates are for, and needs no Python library.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
import re
import tempfile
from typing import Any, List, Tuple

from ansible_collections.openkes.kes.plugins.module_utils import files

_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----(.+?)-----END PUBLIC KEY-----", re.S)


class OpenSSLError(Exception):
    """The command refused; the text says what about."""


class OpenSSL:
    """The host's `openssl`, run through an AnsibleModule. Raises OpenSSLError; OSError for files."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._binary = module.get_bin_path("openssl")

    @property
    def available(self) -> bool:
        return self._binary is not None

    def _run(self, *arguments: str) -> str:
        if self._binary is None:
            raise OpenSSLError("the command openssl is not installed on this host; install the package openssl")
        code, out, err = self._module.run_command([self._binary, *arguments], encoding="utf-8", umask=0o077)
        if code != 0:
            lines = [line for line in err.strip().splitlines() if line]
            raise OpenSSLError(lines[-1] if lines else "openssl %s failed with code %d" % (arguments[0], code))
        return str(out)

    def make_key(self, path: str, own: files.Ownership) -> None:
        """A new P-256 key in PKCS#8 PEM at `path`, unreadable by others at every moment."""
        folder = os.path.dirname(os.path.abspath(path))
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".new", dir=folder)
        os.close(handle)
        try:
            self._run(
                "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-pkeyopt", "ec_param_enc:named_curve", "-out", temporary,
            )  # fmt: skip
            data = files.read(temporary)
            if not data:
                raise OpenSSLError("openssl wrote no key")
            files.write(path, data, own)
        finally:
            os.unlink(temporary)

    def public_key(self, key: str) -> str:
        """The public half of the private key file, PEM."""
        # A password cannot be asked for here; an empty one makes openssl refuse instead of waiting for a terminal.
        return self._run("pkey", "-in", key, "-pubout", "-passin", "pass:")

    def request(self, key: str, common_name: str) -> str:
        """A certificate request for the key, PEM: proof that the host holds the private half."""
        with _Config(self._module, _REQUEST % common_name) as config:
            return self._run("req", "-new", "-key", key, "-config", config, "-passin", "pass:")

    def self_sign(self, key: str, common_name: str, names: List[str], usage: str, days: int) -> str:
        """A self-signed leaf certificate (CA:FALSE), PEM."""
        text = _SELF_SIGNED % (common_name, usage)
        if names:
            text += "subjectAltName = %s\n" % ", ".join(alternative(name) for name in names)
        with _Config(self._module, text) as config:
            return self._run(
                "req", "-x509", "-new", "-sha256", "-key", key, "-days", str(days), "-config", config,
                "-passin", "pass:",
            )  # fmt: skip

    def identity(self, certificate: str) -> str:
        """Who this certificate file's key is to the key server: SHA-256 of its public key, lower-case hex."""
        return identity_of(self._run("x509", "-in", certificate, "-noout", "-pubkey"))


_REQUEST = """[req]
prompt = no
distinguished_name = name
[name]
CN = %s
"""
_SELF_SIGNED = """[req]
prompt = no
distinguished_name = name
x509_extensions = leaf
[name]
CN = %s
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = %s
subjectKeyIdentifier = hash
"""


class _Config:
    """A configuration file for the time of one command; it holds names, nothing secret."""

    def __init__(self, module: Any, text: str) -> None:
        self._folder = module.tmpdir
        self._text = text
        self._path = ""

    def __enter__(self) -> str:
        handle, self._path = tempfile.mkstemp(suffix=".cnf", dir=self._folder)
        with os.fdopen(handle, "w") as file:
            file.write(self._text)
        return self._path

    def __exit__(self, *_exc: object) -> None:
        os.unlink(self._path)


def alternative(name: str) -> str:
    """`kes-1` as `DNS:kes-1`, `10.0.0.5` as `IP:10.0.0.5`."""
    try:
        return "IP:%s" % ipaddress.ip_address(name)
    except ValueError:
        return "DNS:%s" % name


def identity_of(public_key_pem: str) -> str:
    """Lower-case hex SHA-256 of the DER public key inside the PEM text. Raises ValueError without one."""
    found = _PUBLIC.search(public_key_pem.encode())
    if found is None:
        raise ValueError("no public key in PEM form")
    return hashlib.sha256(base64.b64decode(b"".join(found.group(1).split()))).hexdigest()


def usable(openssl: OpenSSL, key: str) -> Tuple[bool, str | None]:
    """Whether there is a private key at `key`, and what is wrong with it if it cannot be used."""
    data = files.read(key)
    if data is None:
        return False, None
    if not data.strip():
        return True, "the file is empty"
    if b"ENCRYPTED" in data:
        return True, "it is protected by a password, and MinIO and the key server start without anybody to type it"
    try:
        openssl.public_key(key)
    except OpenSSLError as error:
        return True, str(error)
    return True, None
