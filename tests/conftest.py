"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A time limit for each example would be a timed test: machines are busy.
settings.register_profile("openkes", deadline=None)
settings.load_profile("openkes")
