"""Durations as Go writes them, `720h` or `1h30m`, for options."""

from __future__ import annotations

import re
from datetime import timedelta

import click

_UNITS = {"h": "hours", "m": "minutes", "s": "seconds"}
_FORM = re.compile(r"(?:\d{1,9}(?:\.\d+)?[hms])+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)([hms])", re.ASCII)


def parse(context: click.Context, parameter: click.Parameter, value: str) -> timedelta:
    """An option's callback. Hours, minutes and seconds; a day is `24h`. A usage error for anything else."""
    if _FORM.fullmatch(value) is None:
        raise click.BadParameter(f"{value!r} is not a duration such as 720h or 1h30m (a day is 24h)")
    try:
        return sum((timedelta(**{_UNITS[unit]: float(n)}) for n, unit in _PART.findall(value)), timedelta())
    except OverflowError:
        raise click.BadParameter(f"{value!r} is too long") from None
