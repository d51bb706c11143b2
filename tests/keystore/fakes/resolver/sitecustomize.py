"""Run by Python at its start when this folder is in PYTHONPATH: see `tests.keystore.fakes.names`."""

import os

from tests.keystore.fakes.names import VARIABLE, lead

lead({name: int(port) for name, _, port in (pair.partition("=") for pair in os.environ[VARIABLE].split(","))})
