"""The NAME argument of key commands: checked before a server is asked."""

from __future__ import annotations

import click

from openkes import names
from openkes.errors import APIError, OperatorError


def check(context: click.Context, parameter: click.Parameter, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """An argument's callback, for one name or several. OperatorError."""
    for name in (value,) if isinstance(value, str) else value:
        try:
            names.check(name)
        except APIError as error:
            raise OperatorError(error.message, "1 to 80 of 0-9 A-Z a-z _ -, and no - at either end") from error
    return value
