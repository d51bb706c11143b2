"""Trials of the running server: what it must survive. Each is a script, its short form a test: docs/trials.md."""
