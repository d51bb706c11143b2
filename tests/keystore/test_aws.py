"""The AWS Secrets Manager store keeps the interface, on moto: throttled, slow, away, and when nobody knows."""

from __future__ import annotations

import contextlib
import json
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator

import boto3
import pytest
from botocore.exceptions import ClientError

from openkes.keystore import KeyExists, KeyNotFound, KeyStore, Unreachable, attempts
from openkes.keystore import aws as aws_store
from openkes.keystore.aws import AWSStore, client
from openkes.keystore.aws.client import Keys
from openkes.keystore.aws.label import PROPOSED
from openkes.keystore.probe import probe
from tests.keystore.aws_server import ACCESS, REGION, SECRET, Fault, SecretsManager, serving
from tests.keystore.conformance import Conformance, run_all
from tests.keystore.lossy import lossy
from tests.keystore.pages import block
from tests.keystore.shared import Shared
from tests.servers import free_port


@pytest.fixture(scope="module")
def running() -> Iterator[SecretsManager]:
    with serving() as server:
        yield server


@pytest.fixture
def aws(running: SecretsManager) -> Iterator[SecretsManager]:
    running.reset()
    yield running
    running.reset()


@pytest.fixture(autouse=True)
def no_own_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has for AWS must not count."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


def opened(url: str, secret: str = SECRET) -> AWSStore:
    return AWSStore(REGION, url, keys=lambda: Keys(ACCESS, secret))


@pytest.fixture
def store(aws: SecretsManager) -> Iterator[AWSStore]:
    store = opened(aws.url)
    yield store
    store.close()


@pytest.fixture
def again(aws: SecretsManager) -> Iterator[AWSStore]:
    """Of another key server."""
    store = opened(aws.url)
    yield store
    store.close()


class TestAWSStore(Conformance, Shared):
    """On the fixture of the module."""


# The stand-in


def test_the_label_moves_only_from_where_it_is_said_to_be(aws: SecretsManager, store: AWSStore) -> None:
    """What `replace` rests on."""
    store.create("key", b"value")
    service = boto3.client(
        "secretsmanager", REGION, endpoint_url=aws.url, aws_access_key_id=ACCESS, aws_secret_access_key=SECRET
    )
    first = service.get_secret_value(SecretId="key")["VersionId"]
    others = [
        service.put_secret_value(SecretId="key", SecretString=text, VersionStages=["x"])["VersionId"] for text in "ab"
    ]

    def moved(to: str) -> None:
        service.update_secret_version_stage(
            SecretId="key", VersionStage="AWSCURRENT", MoveToVersionId=to, RemoveFromVersionId=first
        )

    moved(others[0])
    with pytest.raises(ClientError):
        moved(others[1])
    assert store.get("key") == b"a"


# Layout


def test_an_entry_is_the_text_of_a_secret(aws: SecretsManager, store: AWSStore) -> None:
    store.create("key", b"entry")
    secret = aws.backend.secrets["key"]
    assert (secret.name, secret.secret_string) == ("key", "entry")


def test_an_entry_of_upstream_is_read(aws: SecretsManager, store: AWSStore) -> None:
    aws.backend.create_secret("key", "entry", None, None, [], None, None, [], False)
    assert store.get("key") == b"entry"


@pytest.mark.parametrize("value", [b"\xff\x00entry", "ä".encode()])
def test_bytes_and_text_are_kept(store: AWSStore, value: bytes) -> None:
    store.create("key", value)
    assert store.get("key") == value


def test_the_kms_key_is_named(aws: SecretsManager) -> None:
    store = AWSStore(REGION, aws.url, kms_key="alias/kes", keys=lambda: Keys(ACCESS, SECRET))
    store.create("key", b"entry")
    assert aws.backend.secrets["key"].kms_key_id == "alias/kes"


def test_after_a_replacement_upstream_reads_the_new_entry_and_the_old_one_is_kept(
    aws: SecretsManager, store: AWSStore
) -> None:
    store.create("key", b"old")
    store.replace("key", b"old", b"new")
    stages = {tuple(v["version_stages"]): v["secret_string"] for v in aws.backend.secrets["key"].versions.values()}
    assert stages == {("AWSCURRENT",): "new", ("AWSPREVIOUS",): "old"}


def test_whoever_loses_leaves_no_label(aws: SecretsManager, store: AWSStore) -> None:
    store.create("key", b"old")
    barrier = threading.Barrier(4)

    def replacer(value: bytes) -> None:
        barrier.wait()
        with contextlib.suppress(KeyExists):
            store.replace("key", b"old", value)

    run_all([lambda i=i: replacer(b"%d" % i) for i in range(4)])
    assert PROPOSED not in json.dumps(store._client.call("describe_secret", SecretId="key")["VersionIdsToStages"])


def test_five_thousand_keys(aws: SecretsManager, store: AWSStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_store, "LIST_SECONDS", 100.0)  # it is 50 requests, and this machine may be busy
    names = [f"key-{i:04d}" for i in range(5000)]
    aws.fill([*reversed(names), "no key/at all", "Key-0001"])
    page = store.list("key-49", 2, "key-4950")
    assert (page.names, page.continue_at) == (["key-4950", "key-4951"], "key-4952")
    assert store.list("", 6000).names == ["Key-0001", *names]


def test_a_list_that_takes_too_long_says_so(
    aws: SecretsManager, store: AWSStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_store, "LIST_SECONDS", 0.0)
    aws.fill(f"key-{i}" for i in range(101))
    with pytest.raises(Unreachable, match="longer than 0 s, after 100 names; keep what is no key of this server in"):
        store.list("", 10)


def test_a_prefix_that_no_name_has_is_not_asked_for(aws: SecretsManager, store: AWSStore) -> None:
    aws.seen.clear()
    assert store.list("ä!", 10).names == []
    assert aws.seen == []


# Marked for deletion


@pytest.fixture
def marked(aws: SecretsManager, store: AWSStore, monkeypatch: pytest.MonkeyPatch) -> AWSStore:
    """`key` is there, and an operator has scheduled its deletion."""
    monkeypatch.setattr(aws_store, "GOING_SECONDS", 0.2)
    monkeypatch.setattr(attempts, "LIMIT_SECONDS", 0.5)
    store.create("key", b"entry")
    aws.mark("key")
    return store


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.get("key"),
        lambda store: store.create("key", b"anew"),
        lambda store: store.replace("key", b"entry", b"new"),
        lambda store: store.delete("key"),
    ],
)
def test_a_secret_marked_for_deletion_says_how_to_restore_it(
    aws: SecretsManager, marked: AWSStore, call: Callable[[KeyStore], object]
) -> None:
    with pytest.raises(Unreachable, match="aws secretsmanager restore-secret --secret-id key"):
        call(marked)
    aws.backend.restore_secret("key")
    assert marked.get("key") == b"entry"


def test_a_secret_marked_for_deletion_is_not_listed(marked: AWSStore) -> None:
    assert marked.list("", 10).names == []


def test_a_name_that_is_still_going_is_created_when_it_is_gone(aws: SecretsManager, store: AWSStore) -> None:
    text = "You can't create this secret because a secret with this name is already scheduled for deletion."
    aws.faults = [Fault("CreateSecret", 400, "InvalidRequestException", text)]
    store.create("key", b"second")
    assert aws.faults == []
    assert store.get("key") == b"second"


# Nobody knows


@pytest.mark.parametrize("lost", ["lost_requests", "lost_answers"])
@pytest.mark.parametrize(
    "operation", [b"CreateSecret", b"PutSecretValue", b"UpdateSecretVersionStage", b"DeleteSecret"]
)
def test_a_lost_request_or_answer_is_made_good(aws: SecretsManager, operation: bytes, lost: str) -> None:
    with lossy(("127.0.0.1", aws.port), operation) as proxy:
        setattr(proxy, lost, 1)
        store = opened(f"http://127.0.0.1:{proxy.port}")
        store.create("key", b"old")
        store.replace("key", b"old", b"new")
        assert store.get("key") == b"new"
        store.delete("key")
        with pytest.raises(KeyNotFound):
            store.get("key")
        assert proxy.lost == 1


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("operation", ["CreateSecret", "PutSecretValue", "UpdateSecretVersionStage", "DeleteSecret"])
def test_a_fault_of_the_service_is_made_good(aws: SecretsManager, store: AWSStore, operation: str, done: bool) -> None:
    aws.faults = [Fault(operation, done=done)]
    store.create("key", b"old")
    store.replace("key", b"old", b"new")
    assert store.get("key") == b"new"
    store.delete("key")
    assert aws.faults == []
    with pytest.raises(KeyNotFound):
        store.get("key")


def test_too_many_requests_are_made_good(aws: SecretsManager, store: AWSStore) -> None:
    aws.faults = [Fault("CreateSecret", 400, "ThrottlingException") for _ in range(3)]
    store.create("key", b"value")
    assert store.get("key") == b"value"


def test_a_create_without_an_answer_is_not_taken_for_another_ones(aws: SecretsManager, store: AWSStore) -> None:
    aws.faults = [Fault("CreateSecret", done=True), Fault("CreateSecret", 400, "ResourceExistsException")]
    store.create("key", b"mine")
    assert aws.faults == []


@pytest.mark.parametrize("value", [b"mine", b"theirs"])
def test_a_create_that_was_not_done_finds_another_ones(aws: SecretsManager, store: AWSStore, value: bytes) -> None:
    aws.faults = [
        Fault(
            "CreateSecret",
            then=lambda: aws.backend.create_secret("key", value.decode(), None, None, [], None, None, [], False),
        )
    ]
    with pytest.raises(KeyExists):
        store.create("key", b"mine")


def test_a_replacement_without_an_answer_from_which_somebody_went_on(aws: SecretsManager, store: AWSStore) -> None:
    store.create("key", b"old")
    other = opened(aws.url)
    threads: list[threading.Thread] = []

    def went_on() -> None:
        threads.append(threading.Thread(target=other.replace, args=("key", b"new", b"newer")))
        threads[0].start()

    aws.faults = [Fault("UpdateSecretVersionStage", done=True, then=went_on)]
    store.replace("key", b"old", b"new")
    threads[0].join()
    assert store.get("key") == b"newer"


def test_a_replacement_that_was_not_done_and_lost_to_another_one(
    aws: SecretsManager, store: AWSStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "LIMIT_SECONDS", 1.0)
    store.create("key", b"old")
    current = next(iter(aws.backend.secrets["key"].versions))

    def won() -> None:
        token = "0" * 32
        aws.backend.put_secret_value("key", "theirs", None, token, ["x"])  # type: ignore[arg-type]
        aws.backend.update_secret_version_stage("key", "AWSCURRENT", current, token)

    aws.faults = [Fault("UpdateSecretVersionStage", then=won)]
    with pytest.raises(Unreachable, match="nobody knows"):
        store.replace("key", b"old", b"mine")
    assert store.get("key") == b"theirs"


def test_what_nobody_knows_is_said(aws: SecretsManager, store: AWSStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "LIMIT_SECONDS", 0.5)
    store.create("key", b"old")
    aws.faults = [Fault("UpdateSecretVersionStage") for _ in range(20)]
    with pytest.raises(Unreachable, match="nobody knows whether the change took effect"):
        store.replace("key", b"old", b"new")


# Refused


def test_an_entry_that_is_too_large_is_not_sent(aws: SecretsManager, store: AWSStore) -> None:
    aws.seen.clear()
    with pytest.raises(Unreachable, match="65537 bytes and AWS Secrets Manager takes 65536"):
        store.create("key", b"x" * 65537)
    assert aws.seen == []


CALLS: dict[str, Callable[[KeyStore], object]] = {
    "CreateSecret": lambda store: store.create("new", b"value"),
    "GetSecretValue": lambda store: store.get("key"),
    "ListSecrets": lambda store: store.list("", 1),
    "PutSecretValue": lambda store: store.replace("key", b"value", b"new"),
    "UpdateSecretVersionStage": lambda store: store.replace("key", b"value", b"new"),
    "DeleteSecret": lambda store: store.delete("key"),
}


def policy(without: str = "") -> str:
    """The page's, with this test's region."""
    document = json.loads(block("aws", "json", "secretsmanager:CreateSecret"))
    for statement in document["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != f"secretsmanager:{without}"]
    return json.dumps(document).replace("REGION", REGION).replace("ACCOUNT", "123456789012")


def test_the_policy_of_the_page_is_enough(aws: SecretsManager, store: AWSStore) -> None:
    aws.policy = policy()
    probe(store)
    store.create("key", b"value")
    aws.faults = [Fault("UpdateSecretVersionStage", done=True)]
    store.replace("key", b"value", b"new")


@pytest.mark.parametrize("action", CALLS)
def test_the_permission_that_is_missing_is_named(aws: SecretsManager, store: AWSStore, action: str) -> None:
    store.create("key", b"value")
    aws.policy = policy(without=action)
    with pytest.raises(Unreachable, match=f"permission refused: the IAM policy needs secretsmanager:{action}"):
        CALLS[action](store)
    aws.policy = None
    assert store.list("", 10).names == ["key"]
    assert store.get("key") == b"value"


def test_the_permission_to_look_whether_a_change_was_made_is_named(aws: SecretsManager, store: AWSStore) -> None:
    store.create("key", b"value")
    aws.policy = policy(without="DescribeSecret")
    aws.faults = [Fault("UpdateSecretVersionStage", done=True)]
    with pytest.raises(Unreachable, match="permission refused: the IAM policy needs secretsmanager:DescribeSecret"):
        store.replace("key", b"value", b"new")
    assert store.get("key") == b"new"


def test_a_missing_permission_on_the_kms_key_is_named(aws: SecretsManager, store: AWSStore) -> None:
    aws.faults = [Fault("GetSecretValue", 400, "AccessDeniedException", "Access to KMS is not allowed")]
    with pytest.raises(Unreachable, match="needs kms:Decrypt and kms:GenerateDataKey"):
        store.get("key")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DecryptionFailure", "cannot decrypt with the KMS key of this secret: enable it"),
        ("EncryptionFailure", "cannot encrypt with the KMS key of this secret: enable it"),
        ("LimitExceededException", "a quota of Secrets Manager is used up"),
        ("ExpiredTokenException", "login refused: the session token has expired"),
        ("ValidationException", "does not take the request"),
    ],
)
def test_what_the_service_refuses_is_explained(aws: SecretsManager, store: AWSStore, code: str, text: str) -> None:
    aws.faults = [Fault("CreateSecret", 400, code, "Value 'entry' at 'secretString'")]
    with pytest.raises(Unreachable, match=text) as error:
        store.create("key", b"entry")
    assert "entry" not in str(error.value)


def test_an_unknown_access_key(aws: SecretsManager) -> None:
    aws.keys.clear()
    with pytest.raises(Unreachable, match="login refused: the access key is not known to AWS; look at keystore"):
        opened(aws.url)


def test_a_wrong_secret_key_is_refused_and_not_shown(aws: SecretsManager) -> None:
    wrong = uuid.uuid4().hex
    with pytest.raises(Unreachable, match="login refused: the secret key is not that of the access key") as error:
        opened(aws.url, wrong)
    assert wrong not in "".join(traceback.format_exception(error.value))


def test_a_secret_key_that_was_replaced_is_used_at_once(aws: SecretsManager) -> None:
    now = [SECRET]
    store = AWSStore(REGION, aws.url, keys=lambda: Keys(ACCESS, now[0]))
    aws.keys[ACCESS] = now[0] = "another"
    store.create("key", b"value")
    assert store.get("key") == b"value"


def test_no_credentials_anywhere(aws: SecretsManager) -> None:
    with pytest.raises(Unreachable, match=r"there are no credentials: give the machine a role, or set keystore\.aws"):
        AWSStore(REGION, aws.url)


def test_credentials_of_the_environment(aws: SecretsManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    AWSStore("", aws.url).create("key", b"value")
    assert aws.backend.secrets["key"].secret_string == "value"


def test_no_region_anywhere() -> None:
    with pytest.raises(Unreachable, match=r"no region is set; set keystore\.aws\.secretsmanager\.region"):
        AWSStore("", keys=lambda: Keys(ACCESS, SECRET))


# Away


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "LIMIT_SECONDS", 0.5)
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match=f"AWS Secrets Manager {url}: no connection"):
        opened(url)


def test_a_service_that_is_silent_is_given_up(aws: SecretsManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "READ_SECONDS", 1.5)
    with lossy(("127.0.0.1", aws.port)) as proxy:
        store = opened(f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setattr(attempts, "LIMIT_SECONDS", 0.5)
        proxy.silent = True
        with pytest.raises(Unreachable, match="no answer"):
            store.get("key")


def test_it_goes_on_by_itself_after_an_outage(
    aws: SecretsManager, store: AWSStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("key", b"value")
    aws.stop()
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "LIMIT_SECONDS", 0.3)
        with pytest.raises(Unreachable):
            store.get("key")
    aws.start()
    assert store.get("key") == b"value"


def test_a_request_waits_for_a_service_that_is_back_in_a_moment(aws: SecretsManager, store: AWSStore) -> None:
    store.create("key", b"value")
    aws.stop()
    threading.Timer(0.3, aws.start).start()
    assert store.get("key") == b"value"
