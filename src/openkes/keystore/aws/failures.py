"""What AWS Secrets Manager and boto3 say when they do not do what was asked, in an operator's words.

Told apart by the code of the error. Source: the API reference of Secrets Manager, "Common Error Types" included.
What the service says is shown only where it cannot hold a value that was sent to it.
"""

from __future__ import annotations

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from openkes.keystore import Unreachable
from openkes.keystore.attempts import Passing


class Absent(Exception):
    """No such secret, version or label."""


class Taken(Exception):
    """There is a secret of this name, or a version of this id with another value."""


class WrongState(Exception):
    """The secret is marked for deletion."""


class Refused(Exception):
    """The service does not take the request as it is; the text names its code."""


_SECTION = "keystore.aws.secretsmanager"
_ANSWERS = {
    "ResourceNotFoundException": Absent,
    "ResourceExistsException": Taken,
}
_STATE = {"InvalidRequestException", "InvalidParameterException"}
_LOGIN = {
    "UnrecognizedClientException": "the access key is not known to AWS",
    "InvalidClientTokenId": "the access key is not known to AWS",
    "InvalidSignatureException": "the secret key is not that of the access key, or the clock of this machine is off",
    "SignatureDoesNotMatch": "the secret key is not that of the access key, or the clock of this machine is off",
    "ExpiredTokenException": "the session token has expired",
    "ExpiredToken": "the session token has expired",
    "MissingAuthenticationToken": "the request was not signed",
    "MissingAuthenticationTokenException": "the request was not signed",
    "IncompleteSignature": "the request was not signed as it should be",
    "OptInRequired": "the account is not allowed to use Secrets Manager in this region",
}
_KMS = {
    "EncryptionFailure": "Secrets Manager cannot encrypt with the KMS key",
    "DecryptionFailure": "Secrets Manager cannot decrypt with the KMS key",
}
_LATER = {
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "InternalServiceError",
}
_DENIED = {"AccessDeniedException", "AccessDenied"}


def said(error: ClientError, where: str) -> Exception:
    """What to raise for an answer that is an error."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _ANSWERS:
        return _ANSWERS[code](code)
    if code in _STATE and "delet" in _message(error):
        return WrongState(code)
    if code in _DENIED:
        return Unreachable(f"{where}: {_denied(error)}")
    if code in _LOGIN:
        return Unreachable(f"{where}: login refused: {_LOGIN[code]}; look at {_SECTION}.credentials ({code})")
    if code in _KMS:
        text = f"{_KMS[code]} of this secret: enable it, and allow kms:Decrypt and kms:GenerateDataKey"
        return Unreachable(f"{where}: {text} ({code})")
    if code == "LimitExceededException":
        return Unreachable(f"{where}: a quota of Secrets Manager is used up; ask AWS for a higher one ({code})")
    if code in _LATER or status >= 500:
        what = "too many requests" if status < 500 else f"status {status}"
        return Passing(f"{where}: {what} ({code}); look at the AWS Health Dashboard and the quotas", maybe_done=True)
    return Refused(f"{where}: it does not take the request ({code})")


def _denied(error: ClientError) -> str:
    message = _message(error)
    if "KMS" in message:
        return "permission refused: the IAM policy needs kms:Decrypt and kms:GenerateDataKey on the KMS key"
    return f"permission refused: the IAM policy needs secretsmanager:{error.operation_name} ({message})"


def _message(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))


def failed(error: Exception, where: str) -> Unreachable:
    """What to raise when there was no answer, or nothing was sent."""
    if isinstance(error, boto.NoRegionError):
        return Unreachable(f"AWS Secrets Manager: no region is set; set {_SECTION}.region")
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        text = "there are no credentials: give the machine a role, or set"
        return Unreachable(f"{where}: {text} {_SECTION}.credentials")
    if isinstance(error, boto.CredentialRetrievalError | boto.TokenRetrievalError | boto.MetadataRetrievalError):
        return Passing(f"{where}: its credentials cannot be fetched ({type(error).__name__})", maybe_done=False)
    if isinstance(error, boto.SSLError):
        return Unreachable(f"{where}: its certificate is not trusted; AWS_CA_BUNDLE names other roots")
    if isinstance(error, boto.ConnectTimeoutError | boto.EndpointConnectionError | boto.ProxyConnectionError):
        return Passing(f"{where}: no connection ({_cause(error)})", maybe_done=False)
    if isinstance(error, boto.HTTPClientError):
        return Passing(f"{where}: no answer ({_cause(error)})", maybe_done=True)
    if isinstance(error, BotoCoreError):
        return Unreachable(f"{where}: boto3 cannot ask it ({type(error).__name__}); look at {_SECTION}")
    raise error


def _cause(error: Exception) -> str:
    return type(error).__name__.removesuffix("Error")
