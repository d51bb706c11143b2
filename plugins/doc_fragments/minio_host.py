# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation that the modules for MinIO hosts share."""

from __future__ import annotations


class ModuleDocFragment:
    """What MinIO's environment shall say and where it lies."""

    DOCUMENTATION = r"""
options:
  endpoints:
    description: URLs of the key servers, the same list on every node of a deployment.
    type: list
    elements: str
    required: true
  key_name:
    description: Name of the master key.
    type: str
    required: true
  client_key:
    description: Path of the host's private key, the same on every node.
    type: path
    required: true
  client_certificate:
    description: Path of the host's certificate, the same on every node.
    type: path
    required: true
  trust:
    description: Path of the certificates by which MinIO knows the key servers, the same on every node.
    type: path
    required: true
  environment:
    description: Whether the variables go into MinIO's own environment file or into a drop-in of its systemd unit.
    type: str
    choices: [file, dropin]
    default: file
  environment_file:
    description: MinIO's environment file.
    type: path
    default: /etc/default/minio
  service:
    description: MinIO's systemd unit; empty when there is none to look after.
    type: str
    default: minio
  restart_marker:
    description: The file that notes that a restart is due.
    type: path
    default: /etc/openkes/restart-pending
"""
