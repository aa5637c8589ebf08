"""What a lesson starts with: mode, seed, data, progress, figures."""

import gc
import itertools
import json
import os
import subprocess
import sys
import weakref
from types import SimpleNamespace

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_utils import lesson as lesson_module
from course_utils import notebook as notebook_module
from course_utils.lesson import FAST, FAST_CONV, Lesson

NAME = "05_weight_normalization"


@pytest.fixture(autouse=True)
def _style_put_back():
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


def dense_net(**settings):
    keras.utils.set_random_seed(3)
    layers = [keras.Input((4,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)]
    net = keras.Sequential(layers)
    net.compile("adam", "mse", **settings)
    return net


def test_mode_and_seed_come_from_the_environment(monkeypatch, said):
    monkeypatch.delenv("COURSE_MODE")
    lesson = Lesson(NAME)
    assert (lesson.mode, lesson.quick, lesson.seed) == ("full", False, 42)
    monkeypatch.setenv("COURSE_MODE", "quick")
    monkeypatch.setenv("COURSE_SEED", "7")
    lesson = Lesson(NAME)
    assert (lesson.mode, lesson.quick, lesson.seed) == ("quick", True, 7)
    assert "Quick mode" in said[-1]
    assert "seed 7" in said[-1]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COURSE_MODE", "Full"),
        ("COURSE_MODE", ""),
        ("COURSE_SEED", "-1"),
        ("COURSE_SEED", "4.2"),
        ("COURSE_SEED", "4294967296"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(monkeypatch, said, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"{variable} is {value!r}"):
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


def test_epochs(monkeypatch, quick, said):
    assert (quick.epochs(10), quick.epochs(10, quick=3)) == (2, 3)
    monkeypatch.setenv("COURSE_MODE", "full")
    assert Lesson(NAME).epochs(10, quick=3) == 10


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


def test_recording_reaches_the_ledger(monkeypatch, tmp_path, quick):
    monkeypatch.setenv("COURSE_RECORD_TO", str(tmp_path / "record.json"))
    quick.data(images())
    quick.record("S1.c1", val_accuracy=0.5, accuracy=0.75)
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["measurements"] == {"S1.c1": {"val_accuracy": 0.5, "accuracy": 0.75}}
    assert (record["lesson"], record["mode"], record["stack"]) == (NAME, "quick", quick.stack)
    assert record["data"]["cifar10"]["origin"] == "real"
    with pytest.raises(ValueError, match=r"S1\.c1"):
        quick.record("S1.c1", accuracy=0.75)


def test_verdicts_name_every_claim_of_the_source(quick):
    text = repr(quick.verdicts("S1"))
    assert all(f"S1.c{number}" in text for number in range(1, 6))


def test_figures_are_saved_where_asked_and_nowhere_else(monkeypatch, tmp_path, quick):
    figure, _ = plt.subplots()
    monkeypatch.chdir(tmp_path)
    quick.save_figure(figure, "curve")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("COURSE_FIGURES", str(tmp_path / "new" / "folder"))
    quick.save_figure(figure, "curve")
    assert (tmp_path / "new" / "folder" / f"{NAME}-curve.png").stat().st_size > 1000


def test_progress_says_one_line_in_the_end(monkeypatch, quick, said):
    monkeypatch.setattr(notebook_module, "get_ipython", lambda: True)
    x = np.zeros((4, 4), "float32")
    dense_net().fit(x, x[:, :1], epochs=3, verbose=0, callbacks=[quick.progress("tiny net")])
    assert said[-1].startswith("Trained *tiny net*: 3 epochs in 00:0")
    assert any("tiny net" in text and "/3" in text for text in said[:-1])  # how far is the bar's choice


def test_progress_outside_a_notebook_leaves_stdout_alone(monkeypatch, quick, said, capsys):
    monkeypatch.setattr(notebook_module, "get_ipython", lambda: None)
    before = list(said)
    x = np.zeros((4, 4), "float32")
    dense_net().fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[quick.progress("tiny net")])
    assert said == before
    assert capsys.readouterr().out == ""


def test_a_loop_of_trainings_has_one_bar_and_one_line(monkeypatch, said, capsys):
    monkeypatch.setattr(notebook_module, "get_ipython", lambda: True)
    assert list(notebook_module.progress_bar("abc", "letters", unit="letter")) == ["a", "b", "c"]
    assert said[-1].startswith("Done *letters*: 3 letters in 00:0")
    before = list(said)
    monkeypatch.setattr(notebook_module, "get_ipython", lambda: None)
    assert list(notebook_module.progress_bar([1], "numbers")) == [1]
    assert said == before
    assert capsys.readouterr().out == ""


def test_a_loop_that_is_left_early_closes_its_bar(monkeypatch, said):
    monkeypatch.setattr(notebook_module, "get_ipython", lambda: True)
    for element in notebook_module.progress_bar(range(3), "numbers"):
        if element == 1:
            break
    assert not any(text.startswith("Done") for text in said)  # it was not


class _Cycle:
    """Refers to itself, as a tf.data pipeline does: only a collection frees it."""

    def __init__(self):
        self.me = self


@pytest.fixture
def no_collection():
    gc.disable()  # what is freed now was freed on purpose
    yield
    gc.enable()


def test_a_training_begins_by_freeing_what_the_last_ones_left(no_collection, quick):
    left = weakref.ref(_Cycle())
    assert left() is not None
    quick.progress("tiny net")
    assert left() is None


@pytest.mark.parametrize(("seconds", "freed"), [(1, False), (3, True)])
def test_a_loop_frees_after_long_trainings_and_does_not_dwell_on_short_ones(
    monkeypatch, no_collection, said, seconds, freed
):
    clock = itertools.count(0, seconds)
    monkeypatch.setattr(notebook_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    left = []
    for _ in notebook_module.progress_bar(range(2), "numbers"):
        left.append(weakref.ref(_Cycle()))
    assert (left[0]() is None) == freed


@pytest.mark.parametrize(("settings", "same"), [(FAST_CONV, True), (FAST, False)])
def test_steps_per_execution_changes_no_bit(settings, same):
    # As in full mode, with 70 steps: one group of fifty and a rest. XLA may reorder sums, so there only
    # closeness is promised.
    settings = {**settings, "steps_per_execution": 50}
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(70 * 8, 4)).astype("float32"), rng.normal(size=(70 * 8, 1)).astype("float32")
    weights = []
    for setting in ({"jit_compile": False}, settings):
        net = dense_net(**setting)
        net.fit(x, y, batch_size=8, epochs=2, verbose=0)
        weights.append(net.get_weights())
    for one, other in zip(*weights, strict=True):
        if same:
            np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_importing_a_lesson_keeps_tensorflow_quiet():
    # The first XLA compilation would announce itself as well.
    code = """
import numpy
from course_utils.lesson import FAST, Lesson, keras
from course_utils.training import shuffled
Lesson("05_weight_normalization")
net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
net.compile("adam", "mse", **FAST)
x = numpy.ones((4, 1))
net.fit(shuffled(x, x, 2), verbose=0)
print(FAST["steps_per_execution"])
"""
    for mode, steps in (("full", "50"), ("quick", "1")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "COURSE_MODE": mode},
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert done.stdout.split()[-1] == steps


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


def test_tensorboard_opens_where_it_can_and_else_says_how(monkeypatch, said, capsys):
    monkeypatch.setattr(notebook_module, "get_ipython", lambda: None)
    notebook_module.tensorboard("my runs")
    assert "tensorboard --logdir 'my runs'" in capsys.readouterr().out

    magics = []
    shell = SimpleNamespace(run_line_magic=lambda *arguments: magics.append(arguments))
    monkeypatch.setattr(notebook_module, "get_ipython", lambda: shell)
    notebook_module.tensorboard("my runs")
    assert magics == [("load_ext", "tensorboard"), ("tensorboard", "--logdir 'my runs'")]

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    notebook_module.tensorboard("my runs")
    assert len(magics) == 2
    assert "TensorBoard is not installed here" in said[-1]
