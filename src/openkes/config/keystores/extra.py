"""What a key store needs beyond this package's own dependencies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from openkes.errors import OperatorError


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around the import of a back end: OperatorError names the extra that brings what is missing."""
    try:
        yield
    except ImportError as error:
        raise OperatorError(
            f"this key store needs the Python package {error.name}, which is not installed",
            f"install it beside the server: pip install 'openkes[{extra}]'",
        ) from error
