# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The note on a MinIO host that a restart is due.

Written before anything changes that MinIO reads only at its start, removed only when MinIO is healthy again: so a
restart that was due and did not happen (a failed run, strategy `none`) is still known at the next run.
"""

from __future__ import annotations

import os
from typing import List

from ansible_collections.openkes.kes.plugins.module_utils import files


def reasons(path: str) -> List[str]:
    """Why a restart is due, one line each; empty when none is."""
    data = files.read(path)
    if data is None:
        return []
    return data.decode("utf-8", "replace").splitlines() or ["unknown"]


def add(path: str, reason: str) -> None:
    """Note a reason, once."""
    known = reasons(path)
    if reason in known:
        return
    text = "".join(line + "\n" for line in [*known, reason])
    files.write(path, text.encode(), files.Ownership(-1, -1, 0o644))


def clear(path: str) -> bool:
    """Forget it; True when there was something to forget."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    files.sync_folder(os.path.dirname(os.path.abspath(path)))
    return True
