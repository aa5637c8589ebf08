"""The numbers recorded from TensorFlow Addons 0.23, replayed with the class of the stack at hand.

On the addons stack this shows that the record is still what Addons gives; on keras3, that ours gives the
same.
"""

import importlib.util
import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from course_utils.addons import STACK, WeightNormalization

GOLDEN = pathlib.Path(__file__).parent / "golden"


def load_recorder(name):
    spec = importlib.util.spec_from_file_location(name, GOLDEN / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recorder = load_recorder("record_weight_normalization")

# The same code on another processor may add in another order: a few units in the last place of float32
# (6e-8), grown over five steps, so 2e-6 for Addons itself. Ours is another program of the same mathematics:
# 1e-5.
TOLERANCE = {"addons": 2e-6, "keras3": 1e-5}[STACK]


@pytest.fixture(scope="module")
def record():
    with np.load(recorder.RECORD, allow_pickle=False) as arrays:
        return dict(arrays)


def part(record, prefix):
    return {name.split("/")[1]: value for name, value in record.items() if name.split("/")[0] == prefix}


@pytest.mark.filterwarnings("ignore:data-dependent initialisation of the recurrent layer")
@pytest.mark.parametrize("case", recorder.CASES, ids=lambda case: recorder.case_id(*case))
def test_gives_the_recorded_numbers(record, case):
    expected = part(record, recorder.case_id(*case))
    found = recorder.replay(WeightNormalization, *case, part(record, case[0]))
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(
            found[name],
            value,
            rtol=TOLERANCE,
            atol=TOLERANCE,
            err_msg=f"{name} of {recorder.case_id(*case)}: stack {STACK} against Addons 0.23. If a Keras or "
            "TensorFlow version changed, look at the plain layer first.",
        )


def test_the_training_in_the_record_acts(record):
    for case in recorder.CASES:
        arrays = part(record, recorder.case_id(*case))
        moved = [
            np.abs(arrays[name] - arrays[name.replace("trained", "settled")]).max()
            for name in arrays
            if name.startswith("trained")
        ]
        assert min(moved) > 1e-4, f"{recorder.case_id(*case)}: some weight hardly moves"


def test_record_says_where_it_is_from(record):
    about = json.loads(str(record["about"]))
    assert about["tensorflow_addons"].startswith("0.23")
    assert (GOLDEN.parent.parent / about["script"]).is_file()
    assert {"date", "python", "tensorflow", "keras", "numpy"} <= set(about)
    assert recorder.RECORD.stat().st_size < 500_000


def test_record_has_every_case_and_no_other(record):
    cases = {recorder.case_id(*case) for case in recorder.CASES}
    assert {name.split("/")[0] for name in record} == cases | set(recorder.LAYERS) | {"about"}


def test_gru_has_the_same_defaults_on_both_stacks():
    # The record's GRU depends on them, and Keras 1 had others.
    config = keras.layers.GRU(3).get_config()
    assert (config["reset_after"], config["recurrent_activation"]) == (True, "sigmoid")


@pytest.mark.skipif(STACK == "addons", reason="on the addons stack the recorder records")
def test_recorder_refuses_a_stack_without_addons():
    before = recorder.RECORD.read_bytes()
    run = subprocess.run([sys.executable, recorder.__file__], capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "Use the addons stack" in run.stderr
    assert recorder.RECORD.read_bytes() == before
