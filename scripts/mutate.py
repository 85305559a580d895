"""Mutation testing of the code that decides what counts as paid and what may be issued.

For every mutant of the modules below, the tests of the chain side run in a process of its own, with the mutant in the
module's place; at least one of them must fail. Nothing on disk is changed. docs/mutation.md explains the survivors.

    python -m scripts.mutate [--quick] [--sample N] [--only chain/death.py]
"""

import argparse
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

from scripts.mutants import Mutant, make_mutants

ROOT = Path(__file__).parents[1]
# Each with the tests that are most likely to notice, which run first.
MODULES = {
    "chain/verification.py": ("tests/unit/chain/test_verification.py",),
    "chain/claim.py": ("tests/unit/chain/test_claim.py",),
    "chain/agreement.py": ("tests/integration/chain/test_pool.py",),
    "chain/commitment.py": ("tests/unit/chain/test_commitment.py",),
    "chain/countersigning.py": ("tests/unit/chain/test_countersigning.py",),
    "chain/death.py": ("tests/unit/chain/test_death.py", "tests/integration/chain/test_dead_signatures.py"),
    "chain/preflight.py": ("tests/unit/chain/test_preflight.py",),
    "chain/single_use.py": ("tests/unit/chain/test_single_use_seed.py",),
    "chain/payment_transaction.py": ("tests/unit/chain/test_payment_message.py",),
    "chain/addresses.py": ("tests/unit/chain/test_addresses.py",),
    "chain/accounts.py": ("tests/unit/chain/test_accounts.py", "tests/unit/chain/test_preflight.py"),
    "chain/settled.py": ("tests/unit/chain/test_settled.py", "tests/unit/chain/test_verification.py"),
    "chain/reclaim.py": ("tests/unit/chain/test_reclaim.py",),
    "chain/occupant.py": ("tests/unit/chain/test_occupant.py",),
    "chain/funds.py": ("tests/unit/chain/test_reclaim.py",),
}
# Then these, one after the other, for what survives: each takes longer. With the seconds after which a mutant counts as
# caught in a loop that does not end.
STAGES = (
    (("tests/unit/chain",), 120),
    (
        (
            "tests/integration/chain/test_mutants_of_the_answer.py",
            "tests/integration/chain/test_mutants_that_failed.py",
            "tests/integration/chain/test_payment_lands.py",
            "tests/integration/chain/test_mutants_of_the_transfer.py",
            "tests/integration/chain/test_mutants_of_the_instructions.py",
            "tests/integration/chain/test_mutants_of_the_opening.py",
            "tests/integration/chain/test_refund_lands.py",
            "tests/integration/chain/test_mutants_around_the_payment.py",
            "tests/integration/chain/test_mutants_in_token_2022.py",
        ),
        600,
    ),
)
# Loaded once, before the first fork. None of them may load what is mutated.
PRELOADED = (
    "_hypothesis_pytestplugin",
    "anyio.pytest_plugin",
    "app.embedded_postgres",
    "app.sandbox.devnet",
    "asyncpg",
    "httpx",
    "hypothesis.strategies",
    "pytest_asyncio.plugin",
    "pytest_socket",
    "pytest_timeout",
    "schemathesis.pytest.plugin",
    "solana.rpc.async_api",
    "solders.litesvm",
    "spl.token.instructions",
    "starlette.applications",
    "uvicorn",
)
Stage = tuple[Sequence[str], int]
SURVIVED, CAUGHT, ENDLESS = "survived", "caught", "endless"


@dataclass(frozen=True)
class Case:
    """One mutant of one module."""

    module: str
    mutant: Mutant

    @property
    def name(self) -> str:
        return f"{self.module}: {self.mutant.name}"


@dataclass(frozen=True)
class Outcome:
    case: Case
    result: str


class MutantFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the mutant wherever the module is asked for."""

    def __init__(self, case: Case) -> None:
        self._name = case.module.removesuffix(".py").replace("/", ".")
        self._code = compile(case.mutant.source(), str(ROOT / case.module), "exec")

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(fullname, self) if fullname == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)  # noqa: S102 - our own source, one node changed


def all_cases() -> list[Case]:
    return [Case(module, mutant) for module in MODULES for mutant in make_mutants((ROOT / module).read_text())]


def spread(cases: list[Case], count: int) -> list[Case]:
    """So many of them, evenly spread."""
    return [cases[index * len(cases) // count] for index in range(count)] if count < len(cases) else cases


def preload() -> None:
    """Load what every mutant needs, and what it is not."""
    for name in PRELOADED:
        importlib.import_module(name)
    assert not [name for name in sys.modules if name.startswith("chain.")]


def check_tests(stages: Sequence[Stage]) -> None:
    """Where nothing is changed the tests must pass: else they would seem to catch everything. Raises SystemExit."""
    module = next(iter(MODULES))
    if _judge(Case(module, Mutant("nothing", 0, (ROOT / module).read_text)), stages) != 0:
        raise SystemExit("the tests fail without any mutant")


def run_all(cases: list[Case], stages: Sequence[Stage], tell: Callable[[Outcome, int], None]) -> list[Outcome]:
    """Run every case, as many at a time as there are processors."""
    waiting, running, outcomes = list(reversed(cases)), dict[int, Case](), list[Outcome]()
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            case = waiting.pop()
            running[_fork(partial(_judge, case, stages))] = case
        pid, status = os.wait()
        if pid in running:
            outcome = Outcome(running.pop(pid), (SURVIVED, CAUGHT, ENDLESS)[os.waitstatus_to_exitcode(status)])
            outcomes.append(outcome)
            tell(outcome, len(outcomes))
    return outcomes


def _fork(work: Callable[[], int]) -> int:
    """Run it in a process of its own, whose exit code is its answer; the process's id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = work()
    finally:
        os._exit(code)


def _judge(case: Case, stages: Sequence[Stage]) -> int:
    for tests, seconds in ((MODULES[case.module], 120), *stages):
        pid = _fork(partial(_test, case, tests))
        code = _wait(pid, seconds)
        if code != 0:
            return 2 if code is None else 1
    return 0


def _wait(pid: int, seconds: int) -> int | None:
    """The exit code, or None when it had to be ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def _test(case: Case, tests: Sequence[str]) -> int:
    import hypothesis
    import pytest

    silence = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silence, stream)
    sys.meta_path.insert(0, MutantFinder(case))
    # Examples that are the same for everybody; none is made smaller, since nobody reads it.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None, phases=phases)
    hypothesis.settings.load_profile("mutants")
    options = ["-q", "-x", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*options, *tests]))


def main() -> None:
    parser = argparse.ArgumentParser(description="Mutation testing of chain/.")
    parser.add_argument("--sample", type=int, help="so many mutants, evenly spread, instead of all")
    parser.add_argument("--only", help="one module, for example chain/death.py")
    parser.add_argument("--quick", action="store_true", help="unit tests alone, which leaves more survivors")
    parser.add_argument("--json", action="store_true", help="print the score and the survivors as JSON")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    os.environ["SETTLE_TEST_SCALE"] = "ci"
    cases = [case for case in all_cases() if chosen.only in (None, case.module)]
    cases = spread(cases, chosen.sample) if chosen.sample else cases

    def tell(outcome: Outcome, done: int) -> None:
        if outcome.result != CAUGHT or done % 25 == 0 or done == len(cases):
            line = f"{outcome.result} {outcome.case.name} (line {outcome.case.mutant.line})"
            print(f"{done}/{len(cases)} {line}", file=sys.stderr, flush=True)

    preload()
    stages = STAGES[:1] if chosen.quick else STAGES
    check_tests(stages)
    outcomes = run_all(cases, stages, tell)
    survivors = sorted(outcome.case.name for outcome in outcomes if outcome.result == SURVIVED)
    endless = sum(outcome.result == ENDLESS for outcome in outcomes)
    if chosen.json:
        print(json.dumps({"mutants": len(outcomes), "endless": endless, "survivors": survivors}))
        return
    caught = len(outcomes) - len(survivors)
    print(f"{caught} of {len(outcomes)} caught ({100 * caught / len(outcomes):.1f} %), {endless} of them endless")
    print(*survivors, sep="\n")


if __name__ == "__main__":
    main()
