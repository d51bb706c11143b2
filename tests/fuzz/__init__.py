"""Fuzz targets: one module each for what strangers or operators can feed the server.

`python -m tests.fuzz TARGET --runs N` is the long form, coverage-guided where atheris is installed;
`test_short.py` is the short one. A target owns its inputs and what must hold for every one of them.
"""
