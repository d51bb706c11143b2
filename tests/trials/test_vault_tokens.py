"""The short form of the trial of Vault's tokens; the long one is run by hand, see docs/reliability.md."""

from __future__ import annotations

import pytest

from tests.keystore.bao import NoBao
from tests.trials import vault_tokens


def test_short_tokens_under_load() -> None:
    try:
        figures = vault_tokens.trial(*vault_tokens.SHORT)
    except NoBao as error:
        pytest.skip(str(error))
    assert figures.findings == []
    assert figures.logins > 2  # the first one, and after each token that was revoked
    assert figures.keys > 0
