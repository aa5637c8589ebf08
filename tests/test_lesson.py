"""What a lesson starts with: mode, seed, data, figures."""

import json
import os
import sys
from types import SimpleNamespace

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf

from course_utils import lesson as lesson_module
from course_utils import notebook as notebook_module
from course_utils import training
from course_utils.lesson import Lesson

NAME = "05_weight_normalization"


@pytest.fixture(autouse=True)
def _settings_put_back(monkeypatch):
    monkeypatch.setattr(training, "quick", training.quick)
    with plt.rc_context():
        yield


@pytest.fixture
def said(monkeypatch):
    """Collect what a lesson displays."""
    texts = []

    def display(thing, display_id=None):
        texts.append(thing.data)
        if display_id:
            return SimpleNamespace(update=lambda new: texts.append(new.data))

    monkeypatch.setattr(notebook_module, "display", display)
    return texts


@pytest.fixture
def quick(said):
    return Lesson(NAME)


def images(origin="real"):
    notice = None if origin == "real" else "These are drawn."
    kept = {}
    return SimpleNamespace(
        name="cifar10",
        origin=origin,
        digests={"x_train": "0"},
        notice=notice,
        kept=kept,
        head=lambda *sizes: ("head", *sizes),
    )


def test_mode_and_seed_come_from_the_environment(monkeypatch, said):
    monkeypatch.delenv("COURSE_MODE")
    lesson = Lesson(NAME)
    assert (lesson.mode, lesson.quick, lesson.seed) == ("full", False, 42)
    assert training.quick is False
    # Set after the import, as a first cell on Colab does.
    monkeypatch.setenv("COURSE_MODE", "quick")
    monkeypatch.setenv("COURSE_SEED", "7")
    lesson = Lesson(NAME)
    assert (lesson.mode, lesson.quick, lesson.seed) == ("quick", True, 7)
    assert training.quick is True
    assert "Quick mode" in said[-1]
    assert "seed 7" in said[-1]
    for name in ("COURSE_MODE", "COURSE_SEED", "COURSE_FIGURES", "COURSE_RECORD"):
        monkeypatch.setenv(name, "")
    lesson = Lesson(NAME)
    assert (lesson.mode, lesson.seed) == ("full", 42)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COURSE_MODE", "Full"),
        ("COURSE_SEED", "-1"),
        ("COURSE_SEED", "4.2"),
        ("COURSE_SEED", "4294967296"),
        ("COURSE_SEED", "²"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(monkeypatch, said, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"{variable} should be .* it is {value!r}"):
        Lesson(NAME)
    assert said == []


def test_the_stack_follows_the_interpreter(quick):
    assert quick.stack == ("addons" if sys.version_info < (3, 12) else "keras3")


def test_set_seed_repeats_numpy_keras_and_the_lessons_own_seed(quick):
    def draw():
        return np.random.rand(), float(keras.layers.Dense(1)(np.ones((1, 1), "float32"))[0, 0])  # noqa: NPY002

    quick.set_seed()
    first = draw()
    quick.set_seed()
    assert draw() == first
    quick.set_seed(1)
    assert draw() != first
    quick.set_seed(quick.seed)
    assert draw() == first


def test_seeds_of_neighbouring_runs_are_their_own(monkeypatch, quick, said):
    assert quick.seeds(5) == [42, 1042]
    assert quick.seeds(1) == [42]
    monkeypatch.setenv("COURSE_MODE", "full")
    assert Lesson(NAME).seeds(3) == [42, 1042, 2042]
    monkeypatch.setenv("COURSE_SEED", str(2**32 - 1))
    assert Lesson(NAME).seeds(2) == [2**32 - 1, 999]
    with pytest.raises(ValueError, match="`n` should be a whole number ≥ 1; received 0"):
        quick.seeds(0)


def test_data_is_cut_in_quick_mode_only(monkeypatch, quick, said):
    assert quick.data(images()) == ("head", lesson_module.QUICK_TRAIN, lesson_module.QUICK_TEST)
    monkeypatch.setenv("COURSE_MODE", "full")
    whole = images()
    assert Lesson(NAME).data(whole) is whole


def test_stand_ins_are_announced(quick, said):
    quick.data(images("real"))
    assert not any("Stand-in" in text for text in said)
    quick.data(images("stand-in"))
    assert "**Stand-in data.** These are drawn." in said[-1]


def test_what_was_measured_is_written_whole_and_as_plain_numbers(monkeypatch, tmp_path, quick):
    monkeypatch.setenv("COURSE_RECORD", str(tmp_path))
    quick.data(images())
    quick.record("S1.c1", val_accuracy=np.float32(0.5), accuracy=tf.constant([0.75, 1.0]), holds=np.True_)
    record = json.loads((tmp_path / f"{NAME}.json").read_text())
    measured = {"val_accuracy": 0.5, "accuracy": [0.75, 1.0], "holds": True}
    assert record.pop("measurements") == {"S1.c1": measured} == quick.measurements
    modules = record.pop("modules")
    assert record == {
        "lesson": NAME,
        "seed": 42,
        "mode": "quick",
        "stack": quick.stack,
        "data": {"cifar10": {"origin": "real", "digests": {"x_train": "0"}}},
    }
    assert modules == sorted(set(modules))
    assert {"course_utils.lesson", "course_utils.arguments"} <= set(modules)
    quick.record("S1.c1", val_accuracy=0.25)
    assert json.loads((tmp_path / f"{NAME}.json").read_text())["measurements"] == {
        "S1.c1": {"val_accuracy": 0.25}
    }


def test_where_nobody_asks_for_a_record_none_is_written(monkeypatch, tmp_path, quick):
    monkeypatch.chdir(tmp_path)
    quick.record("S1.c1", val_accuracy=0.5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["0.5", None, [], [[0.5]], [0.5, "x"], {}, [1.0, [2.0]], 1j])
def test_a_measure_that_is_no_number_is_refused(quick, value):
    with pytest.raises(ValueError, match=r"claim S1\.c1: accuracy should be a number"):
        quick.record("S1.c1", accuracy=value)
    assert quick.measurements == {}


@pytest.mark.parametrize("value", [float("nan"), [0.5, float("inf")]])
def test_a_measure_that_is_not_finite_is_refused(quick, value):
    with pytest.raises(ValueError, match=r"claim S1\.c1: accuracy is not finite: .* diverge"):
        quick.record("S1.c1", accuracy=value)


def test_verdicts_name_every_claim_of_the_source(quick):
    text = repr(quick.verdicts("S1"))
    assert all(f"S1.c{number}" in text for number in range(1, 6))
    with pytest.raises(ValueError, match=r"no verdicts on 'S7'; there are on .*S1, S2"):
        quick.verdicts("S7")


def test_times_name_every_lesson(quick):
    assert {row[0] for row in quick.times().rows} >= {NAME, "13_deep_net_on_cifar10"}


def test_figures_are_saved_where_asked_and_nowhere_else(monkeypatch, tmp_path, quick):
    figure, _ = plt.subplots()
    monkeypatch.chdir(tmp_path)
    quick.save_figure(figure, "curve")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("COURSE_FIGURES", str(tmp_path / "new" / "folder"))
    quick.save_figure(figure, "curve")
    assert (tmp_path / "new" / "folder" / f"{NAME}-curve.png").stat().st_size > 1000


def test_what_native_code_said_is_shown_when_the_import_fails(capfd):
    def failing_import():
        with notebook_module.native_stderr_kept_back():
            os.write(2, b"native detail\n")
            raise RuntimeError("no such library")

    with pytest.raises(RuntimeError, match="no such library"):
        failing_import()
    assert "native detail" in capfd.readouterr().err
    with notebook_module.native_stderr_kept_back():
        os.write(2, b"chatter\n")
    assert capfd.readouterr().err == ""
