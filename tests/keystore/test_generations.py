"""Compare-and-set out of create-once: a fault at every step, every order of two callers' steps, nothing is revived."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable

import pytest

from openkes.crypto import entry
from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key
from openkes.keystore import KeyExists, KeyNotFound, Unreachable
from openkes.keystore.cache import KeyCache
from openkes.keystore.generations import INFIX, GenerationStore
from openkes.keystore.lifecycle import Lifecycle
from tests.keystore.conformance import Conformance
from tests.keystore.objects import Crash, Fault, MemoryObjects, every_schedule

FIRST, SECOND, THIRD, OTHER = b"first", b"second", b"third", b"other"
GONE = "gone"
KEY = Key(Algorithm.AES256, bytes(32), b"h" * 32, 1, "me")


class TestGenerations(Conformance):
    @pytest.fixture
    def store(self) -> GenerationStore:
        return GenerationStore(MemoryObjects())


def objects_of(*values: bytes) -> MemoryObjects:
    """Of a key that had these values."""
    objects = MemoryObjects()
    if values:
        store = GenerationStore(objects)
        store.create("key", values[0])
        for old, new in itertools.pairwise(values):
            store.replace("key", old, new)
    objects.steps = 0
    return objects


def now(objects: MemoryObjects) -> bytes | str:
    """What a server sees that has just started."""
    try:
        return GenerationStore(objects).get("key")
    except KeyNotFound:
        return GONE


def test_the_first_value_stays_where_upstream_looks() -> None:
    objects = objects_of(FIRST, SECOND, THIRD)
    assert objects.held["key"].value == FIRST
    others = sorted(set(objects.held) - {"key"})
    assert [name.rpartition(".")[0] for name in others] == ["key.openkes.1", "key.openkes.2"]
    assert [objects.held[name].value for name in others] == [SECOND, THIRD]


def test_a_key_that_was_never_replaced_is_one_object() -> None:
    assert list(objects_of(FIRST).held) == ["key"]


def test_the_names_of_generations_are_no_keys() -> None:
    objects = objects_of(FIRST, SECOND)
    store = GenerationStore(objects)
    assert store.list("", 10).names == ["key"]
    generation = next(name for name in objects.held if INFIX in name)
    with pytest.raises(KeyNotFound):
        store.get(generation)
    with pytest.raises(KeyNotFound):
        store.create("key.openkes.7", FIRST)


def test_many_changes_are_read_in_four_requests_once_they_are_known() -> None:
    objects = objects_of(*(b"%d" % i for i in range(50)))
    store = GenerationStore(objects)
    assert store.get("key") == b"49"
    before = objects.steps
    assert store.get("key") == b"49"
    assert objects.steps - before == 4


def test_what_is_known_of_a_former_key_is_not_used() -> None:
    objects = objects_of(FIRST, SECOND, THIRD)
    store, other = GenerationStore(objects), GenerationStore(objects)
    assert store.get("key") == THIRD
    other.delete("key")
    other.create("key", FIRST)
    assert store.get("key") == FIRST
    other.replace("key", FIRST, SECOND)
    assert store.get("key") == SECOND


def test_a_key_that_another_program_made_anew_has_no_former_values() -> None:
    objects = objects_of(FIRST, SECOND)
    objects.remove(objects.held["key"], 0)
    objects.create_once("key", OTHER, 0)
    assert now(objects) == OTHER


def test_a_former_row_is_removed_before_the_same_entry_comes_back() -> None:
    objects = objects_of(FIRST, SECOND, THIRD)
    objects.remove(objects.held["key"], 0)
    GenerationStore(objects).create("key", FIRST)
    assert list(objects.held) == ["key"]
    assert now(objects) == FIRST


def test_create_of_an_existing_entry_once_more_changes_nothing() -> None:
    objects = objects_of(FIRST, SECOND)
    with pytest.raises(KeyExists):
        GenerationStore(objects).create("key", FIRST)
    assert now(objects) == SECOND


def test_a_delete_leaves_nothing() -> None:
    objects = objects_of(FIRST, SECOND, THIRD)
    GenerationStore(objects).delete("key")
    assert objects.held == {}


def test_left_over_objects_are_named_once_and_only_when_the_key_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    objects = objects_of(FIRST, SECOND)
    store = GenerationStore(objects)
    with caplog.at_level(logging.WARNING):
        store.list("", 10)
        assert caplog.messages == []
        objects.remove(objects.held["key"], 0)
        assert store.list("", 10).names == []
        store.list("", 10)
    assert caplog.messages == ["objects named key.openkes.* are left over from a deleted key, and read by nobody"]
    with pytest.raises(KeyNotFound):
        store.delete("key")
    assert objects.held == {}


CHANGES: dict[str, tuple[tuple[bytes, ...], Callable[[GenerationStore], None], bytes | str]] = {
    "create": ((), lambda store: store.create("key", FIRST), FIRST),
    "first replace": ((FIRST,), lambda store: store.replace("key", FIRST, SECOND), SECOND),
    "later replace": ((FIRST, SECOND), lambda store: store.replace("key", SECOND, THIRD), THIRD),
    "delete of one": ((FIRST,), lambda store: store.delete("key"), GONE),
    "delete of many": ((FIRST, SECOND, THIRD), lambda store: store.delete("key"), GONE),
}


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("change", CHANGES)
def test_a_fault_at_any_step_leaves_the_old_or_the_new_value(change: str, fault: Fault) -> None:
    """Never an older one; what is done again succeeds; what is reported as done is done."""
    values, call, after = CHANGES[change]
    before = values[-1] if values else GONE
    for at in range(100):
        objects = objects_of(*values)
        objects.fail(at, fault)
        done = False
        try:
            call(GenerationStore(objects))
            done = True
        except (Unreachable, Crash):
            pass
        ended = objects.steps <= at
        objects.heal()
        seen = now(objects)
        assert seen in ((after,) if done else (before, after)), at
        if ended:
            break
        with contextlib.suppress(KeyExists, KeyNotFound):
            call(GenerationStore(objects))
        assert now(objects) == after, at
        if after == GONE:
            assert objects.held == {}, at
    else:
        raise AssertionError("it never ended")
    assert at > 1  # there were requests that failed


@pytest.mark.parametrize("changed", [OTHER, SECOND])
@pytest.mark.parametrize("at", range(12))
def test_nothing_is_revived_after_a_delete_that_crashed(at: int, changed: bytes) -> None:
    objects = objects_of(FIRST, SECOND, THIRD)
    objects.fail(at, Fault.CRASH_AFTER)
    with contextlib.suppress(Crash):
        GenerationStore(objects).delete("key")
    objects.heal()
    if now(objects) == THIRD:
        return
    assert now(objects) == GONE
    GenerationStore(objects).create("key", FIRST)  # as a restore does
    assert now(objects) == FIRST
    GenerationStore(objects).replace("key", FIRST, changed)
    assert now(objects) == changed


class Outcome:
    """What became of calls in a schedule."""

    def __init__(self) -> None:
        self.of: list[object] = []

    def call(self, *steps: Callable[[], object]) -> Callable[[], None]:
        at = len(self.of)
        self.of.append(None)

        def run() -> None:
            try:
                for step in steps:
                    self.of[at] = step() or "done"
            except (KeyExists, KeyNotFound, Unreachable) as error:
                self.of[at] = type(error)

        return run


def outcomes(
    values: tuple[bytes, ...], *calls: Callable[[GenerationStore], tuple[Callable[[], object], ...]]
) -> set[tuple[object, ...]]:
    """Of every order of the steps: what each call gave, what the key is in the end, how many objects there are."""
    found = set()
    outcome = Outcome()

    def prepare() -> tuple[MemoryObjects, list[Callable[[], None]]]:
        nonlocal outcome
        objects, outcome = objects_of(*values), Outcome()
        return objects, [outcome.call(*call(GenerationStore(objects))) for call in calls]

    for objects in every_schedule(prepare):
        found.add((*outcome.of, now(objects), len(objects.held)))
    return found


def test_a_reader_during_a_delete_sees_the_newest_value_or_none() -> None:
    found = outcomes((FIRST, SECOND), lambda s: (lambda: s.get("key"),), lambda s: (lambda: s.delete("key"),))
    assert found == {(SECOND, "done", GONE, 0), (KeyNotFound, "done", GONE, 0)}


def test_a_reader_during_a_change_sees_the_old_or_the_new_value() -> None:
    found = outcomes(
        (FIRST, SECOND), lambda s: (lambda: s.get("key"),), lambda s: (lambda: s.replace("key", SECOND, THIRD),)
    )
    assert found == {(SECOND, "done", THIRD, 3), (THIRD, "done", THIRD, 3)}


def test_a_reader_while_a_key_is_deleted_and_made_anew() -> None:
    found = outcomes(
        (FIRST, SECOND),
        lambda s: (lambda: s.get("key"),),
        lambda s: (lambda: s.delete("key"), lambda: s.create("key", OTHER)),
    )
    assert {read for read, *_ in found} == {SECOND, OTHER, KeyNotFound}
    assert {end for _, *end in map(list, found) for end in [tuple(end)]} == {("done", OTHER, 1)}


def test_a_reader_while_a_key_is_deleted_and_restored() -> None:
    found = outcomes(
        (FIRST, SECOND),
        lambda s: (lambda: s.get("key"),),
        lambda s: (lambda: s.delete("key"), lambda: s.create("key", FIRST)),
    )
    assert {read for read, *_ in found} == {SECOND, FIRST, KeyNotFound}
    assert {(done, last, size) for _, done, last, size in found} == {("done", FIRST, 1)}


def test_one_of_two_changes_wins() -> None:
    found = outcomes(
        (FIRST,),
        lambda s: (lambda: s.replace("key", FIRST, SECOND),),
        lambda s: (lambda: s.replace("key", FIRST, THIRD),),
    )
    assert found == {("done", KeyExists, SECOND, 2), (KeyExists, "done", THIRD, 2)}


def test_a_change_during_a_delete_leaves_nothing_behind() -> None:
    found = outcomes(
        (FIRST, SECOND),
        lambda s: (lambda: s.replace("key", SECOND, THIRD),),
        lambda s: (lambda: s.delete("key"),),
    )
    assert found == {("done", "done", GONE, 0), (KeyNotFound, "done", GONE, 0)}


def test_a_change_of_a_former_key_does_not_touch_the_new_one() -> None:
    found = outcomes(
        (FIRST,),
        lambda s: (lambda: s.replace("key", FIRST, SECOND),),
        lambda s: (lambda: s.delete("key"), lambda: s.create("key", OTHER)),
    )
    assert {tuple(end) for _, *end in found} == {("done", OTHER, 1)}
    assert {change for change, *_ in found} == {"done", KeyNotFound, KeyExists}


def test_a_change_while_the_same_entry_is_deleted_and_restored_is_done_or_not_done() -> None:
    found = outcomes(
        (FIRST,),
        lambda s: (lambda: s.replace("key", FIRST, SECOND),),
        lambda s: (lambda: s.delete("key"), lambda: s.create("key", FIRST)),
    )
    assert found == {
        ("done", "done", FIRST, 1),  # it came before the delete
        ("done", "done", SECOND, 2),  # after the restore
        (KeyNotFound, "done", FIRST, 1),  # in between
    }


def test_one_of_two_creators_wins() -> None:
    found = outcomes((), lambda s: (lambda: s.create("key", FIRST),), lambda s: (lambda: s.create("key", OTHER),))
    assert found == {("done", KeyExists, FIRST, 1), (KeyExists, "done", OTHER, 1)}


def test_one_of_two_deletes_wins() -> None:
    found = outcomes((FIRST, SECOND), *[lambda s: (lambda: s.delete("key"),)] * 2)
    assert found == {("done", KeyNotFound, GONE, 0), (KeyNotFound, "done", GONE, 0)}


def test_a_key_lives_and_dies_as_in_any_store() -> None:
    """Rotation, a deletion that waits, undelete, the end of the wait, the free name: all by changes of one key."""
    objects = MemoryObjects()
    store, time = GenerationStore(objects), [10**18]
    life = Lifecycle(KeyCache(store), 3600.0, lambda: time[0])
    life.create("key", KEY)
    rotated = life.rotate("key", b"\1" * 32, "me")
    life.delete("key")
    with pytest.raises(KeyExists):
        life.create("key", KEY)
    life.undelete("key")
    assert entry.decode(GenerationStore(objects).get("key"), "key").versions() == rotated.versions()
    assert entry.decode(objects.held["key"].value, "key") == KEY  # what upstream reads
    life.delete("key")
    time[0] += 2 * 3600 * 10**9
    assert life.purge() == ["key"]
    assert objects.held == {}
    life.create("key", KEY)
    assert entry.decode(GenerationStore(objects).get("key"), "key") == KEY
