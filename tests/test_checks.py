"""The checks of the exercises: right answers pass, wrong ones are told apart, nothing else is disturbed."""

import importlib
import random
import re
from collections import Counter
from pathlib import Path

import answers
import numpy as np
import pytest

from build_tools import notebooks as building
from build_tools.execute import select
from course_utils.checks import EXERCISES, check, exercise, open_answer
from course_utils.checks.exercise import (
    WrongAnswer,
    as_array,
    as_number,
    assert_close,
    call_answer,
    expect,
    format_value,
    is_unfilled,
    unpack,
)

ROOT = Path(__file__).resolve().parent.parent
LESSONS = select(root=ROOT)
for path in sorted((ROOT / "tests" / "answers").glob("lesson_*.py")):
    importlib.import_module(f"answers.{path.stem}")


def label(given):
    return given.label


# --- every exercise ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", answers.RIGHT, ids=label)
def test_a_right_answer_that_is_not_ours_passes(given):
    answer = check(given.exercise, {given.exercise: given.value})
    assert answer.passed, answer


@pytest.mark.parametrize("given", answers.WRONG, ids=label)
def test_a_wrong_answer_is_told_what_is_likely_wrong(given):
    answer = check(given.exercise, {given.exercise: given.value})
    assert answer.state == "wrong", answer
    assert given.says in answer.text
    # No other wrong answer to this exercise is told the same.
    others = {other.says for other in answers.WRONG if other.exercise == given.exercise} - {given.says}
    assert not [says for says in others if says in answer.text], answer
    assert re.search(r"expected .*, found |failed with", answer.text), answer


@pytest.mark.parametrize("name", EXERCISES)
def test_every_check_meets_a_right_answer_and_three_wrong_ones(name):
    assert [given for given in answers.RIGHT if given.exercise == name]
    assert len({given.says for given in answers.WRONG if given.exercise == name}) >= 3


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize("value", [None, ..., 0.12345, "text", [], lambda *a, **k: None, lambda: 1])
def test_no_check_passes_or_fails_on_nonsense(name, value):
    assert check(name, {name: value}).state in ("wrong", "open")


@pytest.mark.parametrize("name", EXERCISES)
def test_every_check_says_when_nothing_is_filled_in(name):
    assert check(name, {}) == check(name, {name: ...}) == open_answer(name)
    assert check(name, {}).state == "open"


def asked(lesson):
    """The names that a lesson's check cells ask for."""
    calls = [building._last_call(cell.source) for cell in lesson.text if "check" in cell.tags]
    return [call.args[0].value for call in calls]


def test_every_check_is_asked_for_in_its_own_lesson_and_only_there():
    where = {name: function.__module__[-2:] for name, function in EXERCISES.items()}
    assert {name: lesson.name[:2] for lesson in LESSONS for name in asked(lesson)} == where
    assert Counter(name for lesson in LESSONS for name in asked(lesson)) == Counter(list(EXERCISES))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_has_questions_and_exercises(lesson):
    text = "\n".join(cell.source for cell in lesson.text if cell.kind == "markdown")
    assert len(re.findall(r"<details><summary>An answer</summary>\n\n.+?\n\n</details>", text, re.S)) >= 3
    assert text.count("<details>") == text.count("</details>")
    cards = [c.source for c in lesson.text if c.source.startswith("### ") and "exercise" in c.tags]
    assert len(cards) >= 2
    for card in cards:
        assert re.match(r"### \d · .+\n\n\*\d+ minutes\.\*", card), card
        parts = ("Predict", "Run", "Explain") if "**Predict" in card else ("What.", "Why.")
        assert all(f"**{part}" in card for part in parts), card


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_solutions_never_stand_in_the_learners_notebook(lesson):
    learners = {cell.source for cell in lesson.notebook("learner").cells}
    solved = [cell.source for cell in lesson.text if "solution" in cell.tags]
    assert solved
    assert not learners & set(solved)


@pytest.mark.parametrize("after", [False, True])
def test_the_scale_of_the_output_layer_does_not_matter_and_a_shared_net_is_restored(after):
    net = answers.lesson_13.normalized(after=after)
    last = net.layers[-1].get_weights()
    for scale in (1e-4, 1e4):
        net.layers[-1].set_weights([scale * w for w in last])
        before = net.get_weights()
        answer = check("normalized_net", {"normalized_net": lambda: net})
        assert answer.passed != after, answer
        assert ("the normalization comes after the ELU" in answer.text) == after
        assert all(np.array_equal(a, b) for a, b in zip(before, net.get_weights(), strict=True))


def test_a_wrong_answer_shows_the_input_and_keeps_it():
    answer = check("dead_share", {"dead_share": lambda activations: 2.0})
    assert answer.state == "wrong"
    assert " The last call was given `activations` " in answer.text
    assert answer.text.endswith("`_.given` holds this input.")
    (activations,) = answer.given.values()
    assert np.asarray(activations).ndim == 2
    right = next(given.value for given in answers.RIGHT if given.exercise == "dead_share")
    for other in (check("dead_share", {}), check("dead_share", {"dead_share": right})):
        assert (other.given, "given" in other.text) == ({}, False)


@pytest.mark.parametrize(
    ("answer", "args", "expected"),
    [
        (lambda x, axis: None, ([[1.0, 2.0]], 0), {"x": [[1.0, 2.0]], "axis": 0}),
        (lambda *many: None, (1, 2), {"many": (1, 2)}),
        (lambda x: None, (1, 2), {"argument 1": 1, "argument 2": 2}),  # the call will fail
    ],
)
def test_the_input_is_named_as_the_answer_names_it(answer, args, expected):
    assert exercise._by_name(answer, args, {}) == expected


# --- what they are written with -----------------------------------------------------------------------------


def test_an_unknown_exercise_is_an_error_that_helps():
    with pytest.raises(ValueError, match="did you mean 'dead_share'"):
        check("dead_shares", {})
    with pytest.raises(ValueError, match=r"there are: .*dead_share"):
        check("?", {})
    with pytest.raises(ValueError, match="no exercise"):
        open_answer("?")


def test_a_check_leaves_random_generators_and_arguments_alone():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002  (the generator that others may use)
    expected = random.random(), np.random.rand()  # noqa: NPY002

    def restless(activations):
        np.random.seed(5)  # noqa: NPY002
        random.seed(5)
        share = np.mean(np.all(activations == 0, axis=0))
        activations[:] = np.nan
        return share

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    assert check("dead_share", {"dead_share": restless}).passed
    assert (random.random(), np.random.rand()) == expected  # noqa: NPY002


def test_a_check_restores_the_seeds_and_settings_of_keras_tensorflow_numpy_and_matplotlib():
    import keras
    import matplotlib as mpl
    import tensorflow as tf

    def draws():
        """Draw from the generators of Python, NumPy, TensorFlow and Keras."""
        dense, dropout = keras.layers.Dense(3), keras.layers.Dropout(0.5)
        dense.build((None, 2))
        masks = np.asarray(dropout(np.ones((1, 50), "float32"), training=True))
        numbers = [random.random(), np.random.rand(), tf.random.uniform(()).numpy()]  # noqa: NPY002
        return [*numbers, *np.ravel(dense.get_weights()[0]), *masks.ravel()]

    def restless(activations):
        keras.utils.set_random_seed(5)
        draws()
        keras.backend.set_floatx("float16")
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
        np.seterr(all="raise")
        mpl.rcParams["lines.linewidth"] = 77
        return np.mean(np.all(activations == 0, axis=0))

    def settings():
        policy = keras.mixed_precision.global_policy().name
        return keras.backend.floatx(), policy, np.geterr(), mpl.rcParams["lines.linewidth"]

    keras.utils.set_random_seed(1)
    draws()
    expected, kept = draws(), settings()
    keras.utils.set_random_seed(1)
    draws()
    assert check("dead_share", {"dead_share": restless}).passed
    assert settings() == kept
    np.testing.assert_array_equal(draws(), expected)


def raises(error):
    def answer(*args, **kwargs):
        raise error

    return answer


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("0.3", "`0.3`"),
        (0.3 + 1j, "(0.3+1j)"),
        ([1, [2]], "a list"),
        ({"a": 1}, "a dict"),
        (object(), "an object"),
        (np.datetime64("2026-01-01"), "a datetime64"),
    ],
)
def test_what_is_no_number_is_refused_in_words(value, found):
    answer = check("dead_share", {"dead_share": lambda h: value})
    assert f"expected numbers, found {found}" in answer.text


@pytest.mark.parametrize("error", [SystemExit(1), RecursionError("deep"), MemoryError(), StopIteration()])
def test_whatever_an_answer_raises_is_a_wrong_answer(error):
    answer = check("dead_share", {"dead_share": raises(error)})
    assert answer.state == "wrong"
    assert f"found {type(error).__name__}" in answer.text


@pytest.mark.parametrize("name", EXERCISES)
def test_no_check_fails_on_results_of_every_kind(name):
    import tensorflow as tf

    results = [
        float("nan"),
        np.float32(2),
        tf.constant([1.0]),
        np.zeros((2, 2, 2)),
        [[1], [2, 3]],
        [],
        "0.5",
        {},
        iter([]),
    ]
    for result in [*results, (1, 2), (None, None), ("a", "b"), [np.zeros(3)] * 3, 1j, object(), range(3)]:
        answer = check(name, {name: lambda *args, result=result, **kwargs: result})
        assert answer.state == "wrong", (result, answer)
        assert "failed with" not in answer.text, (result, answer)


def test_warnings_of_an_answer_stay_out_of_the_notebook(recwarn):
    answer = check("dead_share", {"dead_share": lambda h: np.log(-1.0) + np.zeros(1)[0] / np.zeros(1)[0]})
    assert answer.state == "wrong"
    assert not recwarn.list


def test_the_notebooks_variables_are_found():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        shell.run_cell("from course_utils.checks import check\nfirst = check('dead_share')")
        shell.run_cell("def dead_share(h):\n    return (h == 0).all(axis=0).mean()")
        shell.run_cell("second = check('dead_share')")
        assert (shell.user_ns["first"].state, shell.user_ns["second"].state) == ("open", "right")
    finally:
        InteractiveShell.clear_instance()


def test_outside_a_notebook_the_callers_variables_are_found():
    space = {"dead_share": lambda h: (h == 0).all(axis=0).mean()}
    exec("from course_utils.checks import check\nanswer = check('dead_share')", space)
    assert space["answer"].passed


def test_an_answer_shows_as_a_sentence():
    answer = check("dead_share", {"dead_share": lambda h: 2.0})
    assert repr(answer).startswith("Not yet. The share for 6 dead units among 20: expected 0.3, found 2.")
    assert answer._repr_markdown_() == repr(answer).replace("Not yet.", "**Not yet.**", 1)


def test_an_error_in_an_answer_becomes_a_sentence():
    def fails(activations):
        raise KeyError("a\nb")

    text = check("dead_share", {"dead_share": fails}).text
    assert text.startswith(
        r"`fails`: expected a result, found KeyError: 'a\nb'. The last call was given `activations`"
    )
    assert "failed with" not in text


def test_ctrl_c_is_not_an_answer():
    def interrupted(activations):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("dead_share", {"dead_share": interrupted})


def test_half_filled_answers_are_open():
    class Layer:
        def build(self, shape):
            self.shape = shape

        def call(self, inputs):
            """Normalize."""
            ...

    def half(activations):
        share = ...
        return share

    assert is_unfilled(Layer)
    assert not is_unfilled(half)
    assert check("dead_share", {"dead_share": half}).state == "open"
    assert check("dead_share", {"dead_share": lambda h: h.fill}).state == "wrong"


def test_nothing_returned_is_a_missing_return():
    with pytest.raises(WrongAnswer, match=r"found nothing \(`None`\)\. Likely cause: a `return` is missing"):
        call_answer(lambda x: None, 1)


def test_numbers_are_compared_with_their_shapes_places_and_mistakes():
    assert_close("it", [1.0, 2.0 + 1e-7], [1, 2])
    assert_close("it", True, 1)
    with pytest.raises(WrongAnswer, match=r"it: expected an array of shape \(2,\), found one number \(1\)"):
        assert_close("it", 1.0, [1.0, 1.0])
    wrong = np.arange(12.0).reshape(3, 4)
    with pytest.raises(WrongAnswer, match=r"it, at \[1, 2\]: expected 6, found 7\."):
        assert_close("it", np.where(wrong == 6, 7, wrong), wrong)
    with pytest.raises(
        WrongAnswer, match=r"it, at \[0, 1\] \(and 10 more of 12\): .* Likely cause: doubled\."
    ):
        assert_close("it", 2 * wrong, wrong, mistakes={"halved": wrong / 2, "doubled": 2 * wrong})
    with pytest.raises(WrongAnswer, match="a division by zero"):
        assert_close("it", [np.nan, 1], [1, 1])
    with pytest.raises(WrongAnswer, match="transposed"):
        assert_close("it", wrong.T, wrong, mistakes={"transposed": wrong.T})
    with pytest.raises(WrongAnswer, match="expected numbers, found a dict"):
        as_array("it", {})
    with pytest.raises(WrongAnswer, match="expected numbers, found `abc`"):
        as_array("it", "abc")
    with pytest.raises(WrongAnswer, match=r"the depth: expected 20, found 19\. Likely cause: off by one"):
        expect(False, "the depth", 20, 19, "off by one")


def test_values_are_split_and_single_numbers_taken():
    assert unpack("it", np.array([1, 2]), "a", "b") == [1, 2]
    assert as_number("it", np.float32(0.5)) == as_number("it", [0.5]) == 0.5
    with pytest.raises(
        WrongAnswer, match=r"it: expected 2 values \(a, b\), found 3 values\. .* in this order"
    ):
        unpack("it", (1, 2, 3), "a", "b")
    with pytest.raises(WrongAnswer, match=r"expected 2 values \(a, b\), found an array of shape \(4, 6\)"):
        unpack("it", np.zeros((4, 6)), "a", "b")
    with pytest.raises(WrongAnswer, match="found a dict"):
        unpack("it", {"a": 1, "b": 2}, "a", "b")
    with pytest.raises(WrongAnswer, match=r"expected one number, found an array of shape \(2,\)"):
        as_number("it", [1, 2])


def test_values_are_put_into_words():
    assert format_value(np.float32(0.1)) == "0.1"
    assert format_value(np.array([1, 2])) == "[1, 2]"
    assert format_value(np.zeros((3, 4))) == "an array of shape (3, 4)"
    assert format_value(format_value) == "`format_value`"
    assert format_value(np.True_) == "True"
    assert format_value(OSError()) == "an OSError"
