"""The HTTPS client behind the command line: one server, one identity, the routes the commands need.

Starts fast: no Flask, no protobuf, and urllib3 and cryptography only when they are used. Must not know click,
the environment or how an error is shown.
"""

from __future__ import annotations

from openkes.client.api import Client
from openkes.client.credentials import APIKey, Credentials, KeyFiles
from openkes.client.failures import AnswerError, ClientError, CredentialsError, NoAnswer, Reason
from openkes.client.transport import DEFAULT_PORT, Endpoint, Patience, Trust

__all__ = [
    "DEFAULT_PORT",
    "APIKey",
    "AnswerError",
    "Client",
    "ClientError",
    "Credentials",
    "CredentialsError",
    "Endpoint",
    "KeyFiles",
    "NoAnswer",
    "Patience",
    "Reason",
    "Trust",
]
