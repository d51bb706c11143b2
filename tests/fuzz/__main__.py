"""`python -m tests.fuzz TARGET --runs N`: the long form. Prints runs and seconds; a finding prints its traceback.

With atheris (`pip install atheris`) runs follow code coverage, and what is found is kept in the current folder as
`crash-*`: run it again with `python -m tests.fuzz TARGET --input FILE`. Without it hypothesis makes the inputs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

# libFuzzer would drop seeds that reach no new line of Python, and much of what is tested is not Python.
KEPT = ("-keep_seed=1", "-reduce_inputs=0", "-len_control=0")
NAMES = ("request", "ciphertext", "entry", "config", "policy", "proxy")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Run one fuzz target.")
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same runs")
    parser.add_argument("--engine", choices=("atheris", "hypothesis"), default=None)
    parser.add_argument("--input", type=Path, help="run this one input instead")
    asked = parser.parse_args()
    if asked.input:
        from tests.fuzz.targets import ALL

        ALL[asked.target].check(asked.input.read_bytes())
    elif (asked.engine or ("atheris" if find_spec("atheris") else "hypothesis")) == "atheris":
        guided(asked.target, asked.runs, asked.seed)
    else:
        unguided(asked.target, asked.runs, asked.seed)


def guided(name: str, runs: int, seed: int) -> None:
    """Never returns: libFuzzer ends the process, with its own exit code after a finding."""
    import atheris

    with atheris.instrument_imports(include=["openkes", "json"]):
        from tests.fuzz.targets import ALL

    target = ALL[name]
    with tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(folder) / "corpus", Path(folder) / "words"
        corpus.mkdir()
        for number, data in enumerate(target.seeds):
            (corpus / str(number)).write_bytes(data)
        words.write_text("".join(_quoted(word) for word in target.words))
        options = [
            f"-runs={runs}",
            f"-seed={seed}",
            f"-max_len={target.max_length}",
            f"-dict={words}",
            *KEPT,
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], target.check)
        atheris.Fuzz()


def _quoted(word: bytes) -> str:
    """A line of libFuzzer's dictionary, which takes 64 bytes at most."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word[:64]) + '"\n'


def unguided(name: str, runs: int, seed_: int) -> None:
    """AssertionError, or whatever escaped, with the smallest input that shows it."""
    from hypothesis import HealthCheck, given, seed, settings

    from tests.fuzz.targets import ALL

    target = ALL[name]
    begin = time.monotonic()

    @seed(seed_)
    @settings(max_examples=runs, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs())
    def run(data: bytes) -> None:
        target.check(data)

    run()
    print(f"{name}: {runs} runs in {time.monotonic() - begin:.0f} s, nothing found")


if __name__ == "__main__":
    main()
