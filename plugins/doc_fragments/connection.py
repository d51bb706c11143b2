# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation that the modules which talk to a key server share."""

from __future__ import annotations


class ModuleDocFragment:
    """How to reach a key server and as whom."""

    DOCUMENTATION = r"""
options:
  client_certificate:
    description: Certificate of the caller's identity, PEM, on the host that runs the module.
    type: path
    required: true
  client_key:
    description: Private key of the caller's identity, PEM, on the host that runs the module.
    type: path
    required: true
  trust:
    description: Certificates by which the key server is known, PEM. The system's when unset.
    type: path
  validate_certs:
    description: Whether the key server's certificate is checked.
    type: bool
    default: true
  timeout:
    description: Seconds to wait for each answer.
    type: float
    default: 10
"""
