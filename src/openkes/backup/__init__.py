"""Backups of a key store: `document` is what is inside, `age` the encryption, `collect` and `restore` the work.

Knows stores and entries, not the command line and not the server, which need not run.
"""
