"""The same seed twice: a lesson in quick mode gives the same measurements in two kernels, to the last bit.

In full mode `python -m build_tools repeat` does the same, and RESULTS.md has what came of it.
"""

import json

import pytest

from build_tools import load_claims
from build_tools.execute import execute, make_task, select

LESSONS = sorted({claim.lesson for claim in load_claims().claims.values()})


def measured(name, seed=42):
    (lesson,) = select([name])
    outcome = execute(make_task(lesson, mode="quick", seed=seed, one_thread=True))
    assert outcome.passed, outcome.problem
    return json.loads(outcome.record)["measurements"]


def without_times(measurements):
    claims = load_claims().claims
    return {claim: measures for claim, measures in measurements.items() if not claims[claim].timing}


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_the_same_seed_gives_the_same_measurements(name):
    first, second = measured(name), measured(name)
    assert set(first) == {claim.id for claim in load_claims().of(name)}
    assert without_times(first) == without_times(second) != {}
    if name == LESSONS[0]:
        # That the seed reaches the measurements at all.
        assert without_times(measured(name, seed=43)) != without_times(first)
