#!/usr/bin/python
# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The managed host's half of `certificate`: report what is there, install what the controller decided."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: Keep a private key, its certificate and the certificates it trusts on a host
version_added: 0.1.0
description:
  - Makes an ECDSA P-256 private key on the host itself, once, and keeps a certificate for it up to date.
  - The certificate is signed by the authority on the controller (V(ca)), by the key itself (V(self_signed)), or both
    files are brought from the controller (V(files)).
  - A certificate is issued again, for the same key, when less than a third of its lifetime is left, when the names
    differ, or when it was not issued by the present authority.
  - On the host only the C(openssl) command and Python's standard library are needed.
options:
  mode:
    description: Where the certificate comes from.
    type: str
    choices: [ca, self_signed, files]
    default: ca
  key:
    description: Path of the private key on the host. Made when missing, never replaced, except in mode V(files).
    type: path
    required: true
  certificate:
    description: Path of the certificate on the host.
    type: path
    required: true
  trust:
    description: Path on the host for the certificates that its programs shall trust. Not written when unset.
    type: path
  trust_text:
    description: The certificates for O(trust), PEM.
    type: str
  common_name:
    description: Common name of the certificate.
    type: str
    required: true
  names:
    description: Names and addresses for the certificate's subject alternative names.
    type: list
    elements: str
    default: []
  usage:
    description: What the certificate is for.
    type: str
    choices: [server, client]
    required: true
  days:
    description: Lifetime in days of a certificate that is issued here.
    type: int
    default: 365
  authority:
    description:
      - Folder on the controller that holds the authority, see M(openkes.kes.authority).
      - A copy of each certificate is kept there, under C(issued), so that later runs know every host's identity.
    type: path
    required: true
  authority_password:
    description: Password of the authority's private key, if it has one.
    type: str
  key_file:
    description: In mode V(files), the private key on the controller. It travels to the host.
    type: path
  certificate_file:
    description: In mode V(files), the certificate on the controller.
    type: path
  owner:
    description: User that owns the files on the host.
    type: str
  group:
    description: Group of the files on the host.
    type: str
  key_mode:
    description: Permissions of the private key.
    type: str
    default: '0400'
  folder_mode:
    description: Permissions of the folder, when it has to be made.
    type: str
    default: '0755'
  restart_marker:
    description:
      - A file that notes that a restart is due, written before O(trust) is replaced by something else.
      - MinIO reads the certificates that it trusts only once, at its start.
    type: path
  step:
    description: Used between the controller and the host. Leave it alone.
    type: str
    choices: [report, apply]
    default: report
  make_key:
    description: Used between the controller and the host. Leave it alone.
    type: bool
    default: false
  replace_key:
    description: Used between the controller and the host. Leave it alone.
    type: bool
    default: false
  key_text:
    description: Used between the controller and the host. Leave it alone.
    type: str
  certificate_text:
    description: Used between the controller and the host. Leave it alone.
    type: str
  self_sign:
    description: Used between the controller and the host. Leave it alone.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says what would be made or replaced, and changes nothing.
    support: full
  diff_mode:
    description: Shows names, dates and reasons; never a key.
    support: full
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: A key server's pair, signed by the authority on the controller
  openkes.kes.certificate:
    key: /etc/openkes/tls/server.key
    certificate: /etc/openkes/tls/server.crt
    common_name: kes-1
    names: [kes-1, 10.0.0.5, 127.0.0.1]
    usage: server
    authority: "{{ inventory_dir }}/openkes-pki"
    group: openkes
    key_mode: "0640"
"""

RETURN = r"""
identity:
  description:
    - Who the key is to a key server, the SHA-256 of its public key. Empty when there is no key yet (check mode).
  returned: success
  type: str
reason:
  description: Why a certificate was issued, or V(null).
  returned: success
  type: str
not_after:
  description: When the certificate ends, ISO 8601, UTC.
  returned: when there is a certificate
  type: str
days_left:
  description: Whole days until then.
  returned: when there is a certificate
  type: int
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openkes.kes.plugins.module_utils import files, marker
from ansible_collections.openkes.kes.plugins.module_utils.openssl import (
    OpenSSL,
    OpenSSLError,
    usable,
)

USAGES = {"server": "serverAuth", "client": "clientAuth"}


def accounts(module: AnsibleModule) -> tuple[files.Ownership, files.Ownership]:
    """Ownership of the key and of the public files."""
    params = module.params
    mode = int(params["key_mode"], 8)
    try:
        key = files.ownership(params["owner"], params["group"], mode)
    except files.UnknownAccount as error:
        if not module.check_mode:
            module.fail_json(msg="%s, and it has to own %s." % (error, params["key"]))
        key = files.Ownership(-1, -1, mode)
    return key, key._replace(mode=0o644)


def text_of(path: str | None) -> str | None:
    """The file's text, None when it is missing or no path was given."""
    data = files.read(path) if path else None
    return None if data is None else data.decode("utf-8", "replace")


def report(module: AnsibleModule, openssl: OpenSSL) -> dict[str, Any]:
    """State of the files, after making the key if that was asked for."""
    params = module.params
    key_own, public_own = accounts(module)
    exists, fault = usable(openssl, params["key"])
    if fault and params["mode"] != "files":
        module.fail_json(
            msg="The private key %s cannot be used (%s). It was left as it is: move it away, then run again and a"
            " new one is made." % (params["key"], fault)
        )
    changed = False
    if params["make_key"] and (not exists or params["replace_key"]):
        files.make_folder(os.path.dirname(params["key"]), key_own._replace(mode=int(params["folder_mode"], 8)))
        openssl.make_key(params["key"], key_own)
        exists, changed = True, True
    request = openssl.request(params["key"], params["common_name"]) if exists and not fault else None
    drift = [
        path
        for path, own in (
            (params["key"], key_own),
            (params["certificate"], public_own),
            (params["trust"], public_own),
        )
        if path and files.differs(path, own)
    ]
    return {
        "changed": changed,
        "key_exists": exists,
        "request": request,
        "key_matches": _same(params["key"], params["key_text"]),
        "certificate_found": text_of(params["certificate"]),
        "trust_found": text_of(params["trust"]),
        "drift": drift,
    }


def _same(path: str, text: str | None) -> bool:
    return text is not None and files.read(path) == text.encode()


def apply(module: AnsibleModule, openssl: OpenSSL) -> dict[str, Any]:
    """Install what the controller sent; each file whole, the certificate after the key it belongs to."""
    params = module.params
    key_own, public_own = accounts(module)
    files.make_folder(os.path.dirname(params["key"]), key_own._replace(mode=int(params["folder_mode"], 8)))
    for path in (params["certificate"], params["trust"]):
        if path:
            files.make_folder(os.path.dirname(path), key_own._replace(mode=int(params["folder_mode"], 8)))
    if params["key_text"]:
        files.write(params["key"], params["key_text"].encode(), key_own)
    certificate = params["certificate_text"]
    if params["self_sign"]:
        certificate = openssl.self_sign(
            params["key"], params["common_name"], params["names"], USAGES[params["usage"]], params["days"]
        )
    if certificate:
        files.write(params["certificate"], certificate.encode(), public_own)
    trust = params["trust_text"]
    if params["trust"] and trust and text_of(params["trust"]) != trust:
        if params["restart_marker"] and text_of(params["trust"]) is not None:
            marker.add(params["restart_marker"], "the certificates in %s changed" % params["trust"])
        files.write(params["trust"], trust.encode(), public_own)
    for path, own in ((params["key"], key_own), (params["certificate"], public_own), (params["trust"], public_own)):
        if path and files.differs(path, own):
            files.settle(path, own)
    return {"changed": True, "certificate_found": text_of(params["certificate"])}


def main() -> None:
    """Entry point of the module on the managed host."""
    module = AnsibleModule(
        argument_spec={
            "mode": {"type": "str", "choices": ["ca", "self_signed", "files"], "default": "ca"},
            "key": {"type": "path", "required": True, "no_log": False},
            "certificate": {"type": "path", "required": True},
            "trust": {"type": "path"},
            "trust_text": {"type": "str"},
            "common_name": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "default": []},
            "usage": {"type": "str", "choices": ["server", "client"], "required": True},
            "days": {"type": "int", "default": 365},
            "authority": {"type": "path", "required": True},
            "authority_password": {"type": "str", "no_log": True},
            "key_file": {"type": "path", "no_log": False},
            "certificate_file": {"type": "path"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "key_mode": {"type": "str", "default": "0400", "no_log": False},
            "folder_mode": {"type": "str", "default": "0755"},
            "restart_marker": {"type": "path"},
            "step": {"type": "str", "choices": ["report", "apply"], "default": "report"},
            "make_key": {"type": "bool", "default": False, "no_log": False},
            "replace_key": {"type": "bool", "default": False, "no_log": False},
            "key_text": {"type": "str", "no_log": True},
            "certificate_text": {"type": "str"},
            "self_sign": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    openssl = OpenSSL(module)
    if not openssl.available:
        module.fail_json(msg="The command openssl is not installed on this host. Install the package openssl.")
    try:
        if module.params["step"] == "report":
            module.exit_json(**report(module, openssl))
        module.exit_json(**apply(module, openssl))
    except (OSError, OpenSSLError) as error:
        module.fail_json(msg="%s (while looking after %s)" % (error, module.params["key"]))


if __name__ == "__main__":
    main()
