# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The certificates by which MinIO hosts know the key servers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: trust
short_description: Certificates that MinIO hosts shall trust
version_added: 0.1.0
description:
  - Returns one PEM text, read on the controller. Empty before there is anything to trust, which happens in check
    mode on a fresh fleet.
options:
  _terms:
    description: Where they come from, V(ca), V(self_signed) or V(files).
    required: true
    type: list
    elements: str
  folder:
    description: The authority's folder on the controller.
    type: path
    required: true
  file:
    description: The file on the controller, for V(files).
    type: str
    default: ''
  group:
    description: Group of the key servers.
    type: str
    default: kes
author:
  - openkes contributors (@openkes)
"""

EXAMPLES = r"""
- name: What MinIO trusts
  ansible.builtin.debug:
    msg: "{{ lookup('openkes.kes.trust', 'ca', folder='openkes-pki') }}"
"""

RETURN = r"""
_raw:
  description: PEM text.
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.openkes.kes.plugins.plugin_utils.authority import Authority


class LookupModule(LookupBase):  # type: ignore[misc]
    """`openkes.kes.trust`."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        authority = Authority(self.get_option("folder"))
        source = str(terms[0])
        if source == "ca":
            return [_text(authority.certificate)]
        if source == "self_signed":
            hosts = (variables or {}).get("groups", {}).get(self.get_option("group"), [])
            return ["".join(_text(authority.issued(str(host), "server")) for host in hosts)]
        file = self.get_option("file")
        if not file or not Path(file).expanduser().exists():
            raise AnsibleLookupError(
                f"The file with the certificates that MinIO shall trust"
                f" ({file or 'kes_identity_trust_file is empty'}) does"
                " not exist on the controller. Set kes_identity_trust_file."
            )
        return [_text(Path(file).expanduser())]


def _text(path: Path) -> str:
    """With one line end at the end, so that texts can be joined; "" for a missing file."""
    return path.read_text().rstrip("\n") + "\n" if path.exists() else ""
