"""`python -m openkes.cli` is `kes`."""

from __future__ import annotations

import sys

from openkes.cli import main

sys.exit(main())
