"""The click type of file options. Must not open anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


class _File(click.Path):
    """A path as it stands; an empty one, as an unset shell variable leaves it, is wrong usage."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """`Path`."""
        if value == "":
            self.fail("the file name is empty", param, ctx)
        return super().convert(value, param, ctx)


FILE: Any = _File(path_type=Path)
