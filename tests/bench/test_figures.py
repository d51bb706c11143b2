"""Medians, ratios, tables and the command line of the benchmark: nothing here starts a server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.bench import figures, table, throughput
from tests.bench.arguments import parse
from tests.bench.figures import Sample, Spread
from tests.bench.servers import OFF, ON
from tests.bench.target import BAO, Target, cpu_seconds, resident

FOREIGN = ["--endpoint", "https://new:7373/", "--key", "k", "--cert", "c", "--key-name", "n"]


def samples(*rates: int) -> list[Sample]:
    return [Sample(calls=rate, seconds=1.0, p50=1000 / rate, p99=5000 / rate) for rate in rates]


def test_a_ratio_is_the_median_of_each_rounds() -> None:
    # The machine was half as fast in the second round: that is no difference between the servers.
    assert figures.ratio(figures.rate, samples(300, 150, 330), samples(100, 50, 100)) == Spread(3.0, 3.0, 3.3)


def test_a_round_without_an_answer_counts_for_nothing() -> None:
    broken = [Sample(0, 0.0, failed=1, failures=["refused"]), *samples(100)]
    assert figures.ratio(figures.rate, samples(300, 200), broken) == Spread(2.0, 2.0, 2.0)
    assert figures.of(figures.p50, broken) == Spread(10.0, 10.0, 10.0)
    assert figures.of(figures.p50, broken[:1]) is None


def test_processor_time_is_for_a_thousand_calls() -> None:
    assert figures.cpu_per_1000(Sample(calls=4000, seconds=2.0, cpu=0.2)) == pytest.approx(0.05)
    assert figures.cpu_per_1000(Sample(calls=4000, seconds=2.0)) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.1234, "0.123"), (0, "0")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert table.number(value) == text


def test_lowest_and_highest_are_shown_when_they_differ() -> None:
    assert table.whole(Spread(2.0, 1.5, 2.5)) == "2.00 (1.50–2.50)"
    assert table.whole(Spread(2.0, 2.0, 2.0)) == "2.00"
    assert table.whole(None) == table.NOTHING


def test_columns_are_aligned() -> None:
    assert table.lines(("a", "b"), [("long", "x"), ("s", "y")]) == ["a     b", "long  x", "s     y"]


def test_the_table_divides_the_subject_by_each_other() -> None:
    row = throughput.Row(throughput.LOADS[0], {ON: samples(200, 200), OFF: samples(400, 400)})
    said = throughput.text([row], ON)
    assert [line.split()[0] for line in said[-2:]] == ["1", "0.500"]


def test_failures_are_findings() -> None:
    row = throughput.Row(throughput.LOADS[0], {ON: [Sample(5, 1.0, failed=2, failures=["503"])]})
    assert throughput.findings([row]) == [f"{throughput.LOADS[0].title}: {ON}: 2 calls: 503"]


def test_foreign_servers_take_part_in_every_load_they_can() -> None:
    foreign = Target("https://new", "https://new", "key", cert=Path("c"), key=Path("k"))
    assert all(throughput.takes_part(load, foreign, own=False) for load in throughput.LOADS)
    bao = Target("bao", "https://bao", "key", kind=BAO)
    assert not any(throughput.takes_part(load, bao, own=True) for load in throughput.LOADS if load.arguments is None)


def test_two_endpoints_share_what_is_said_once() -> None:
    new, old = parse([*FOREIGN, "--against", "https://old:7373", "--against-ca", "ca"]).foreign
    assert (new.endpoint, new.ca) == ("https://new:7373", None)
    assert (old.endpoint, old.ca, old.key_name) == ("https://old:7373", Path("ca"), "n")


def test_a_server_against_itself_keeps_two_rows() -> None:
    first, second = parse([*FOREIGN, "--against", "https://new:7373"]).foreign
    assert first.label != second.label


@pytest.mark.parametrize(
    "words",
    [
        ["--endpoint", "https://new:7373"],
        ["--against", "https://old:7373"],
        [*FOREIGN, "--life"],
        [*FOREIGN, "--interference"],
        ["--rounds", "0"],
        ["--seconds", "0"],
    ],
)
def test_words_that_make_no_sense_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(words)
    assert stopped.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_throughput_is_the_part_when_none_is_named() -> None:
    assert parse([]).throughput
    assert not parse(["--life"]).throughput
    asked = parse(["--all"])
    assert asked.throughput and asked.interference and asked.life


def test_a_token_is_in_no_repr_and_no_argument() -> None:
    bao = Target("bao", "https://bao", "key", kind=BAO, token="hvs.secret")
    assert "hvs.secret" not in repr(bao) + " ".join(bao.flags)
    assert bao.environment == {"BAO_TOKEN": "hvs.secret"}


def test_a_process_has_used_time_and_memory() -> None:
    used = cpu_seconds(os.getpid())
    assert 0 < used <= sum(os.times()[:2]) + 0.1
    assert resident(os.getpid()) > 2**20
