# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation that the modules which change nothing share."""

from __future__ import annotations


class ModuleDocFragment:
    """Check mode and differences of what only looks."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Does the same, for it changes nothing.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""
