"""The NAME argument of key commands: checked before a server is asked."""

from __future__ import annotations

import click

from openkes import names
from openkes.errors import APIError, OperatorError

KEY_TEXT = 44  # base64 of 32 bytes, which ends in one "="


def check(context: click.Context, parameter: click.Parameter, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """An argument's callback, for one name or several. OperatorError."""
    for name in (value,) if isinstance(value, str) else value:
        if _looks_like_a_key(name):  # not to be repeated on a screen or in a log
            raise OperatorError("what stands in the place of a name looks like a key", "the name comes first")
        try:
            names.check(name)
        except APIError as error:
            raise OperatorError(error.message, "1 to 80 of 0-9 A-Z a-z _ -, and no - at either end") from error
    return value


def _looks_like_a_key(text: str) -> bool:
    return len(text) == KEY_TEXT and text.endswith("=") and text.count("=") == 1
