"""The server's log lines: no control characters of a client's, no text of an exception."""

from __future__ import annotations

import io
import logging

import pytest

from openkes.cli.plain import PlainFormatter


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(written: io.StringIO) -> logging.Logger:
    logger = logging.Logger("test")
    handler = logging.StreamHandler(written)
    handler.setFormatter(PlainFormatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    return logger


@pytest.mark.parametrize(
    ("text", "shown"), [("\r", r"\r"), ("\x1b[2J", r"\x1b[2J"), ("\x85", r"\x85"), ("\u2028", r"\u2028"), ("ä", "ä")]
)
def test_control_characters_are_escaped(log: logging.Logger, written: io.StringIO, text: str, shown: str) -> None:
    log.error("path %s", text)
    assert written.getvalue() == f"ERROR path {shown}\n"


def test_an_exception_has_its_place_and_not_its_text(log: logging.Logger, written: io.StringIO) -> None:
    value = "key-matter".upper()
    try:
        raise ValueError(value)
    except ValueError as error:
        log.error("internal error", exc_info=error)
    assert "KEY-MATTER" not in written.getvalue()
    assert "test_an_exception_has_its_place_and_not_its_text" in written.getvalue()
    assert written.getvalue().endswith("ValueError\n")


def test_an_error_of_the_system_has_its_text(log: logging.Logger, written: io.StringIO) -> None:
    log.error("internal error", exc_info=OSError(28, "No space left on device"))
    assert written.getvalue().endswith("OSError: No space left on device\n")
