"""The shared checks of arguments: what they take, what they return, and what their message says."""

import decimal
import fractions
import math
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from course_utils import arguments

# Everything that is no number, each with a reason to be mistaken for one.
NO_NUMBERS = {
    "bool": True,
    "NumPy's bool": np.True_,
    "tensor of a bool": tf.constant(True),
    "text": "3",
    "None": None,
    "list": [3],
    "array of one": np.ones(1),
    "tensor of one": tf.ones(1),
    "complex": 1 + 0j,
    "decimal": decimal.Decimal(3),
    "time span": np.timedelta64(3, "s"),
    "tensor of text": tf.constant("3"),
    "symbolic tensor": keras.Input(batch_shape=()),
    "tf.Variable": tf.Variable(3.0),
    "whole tf.Variable": tf.Variable(3),
}
NOT_FINITE = {
    "nan": math.nan,
    "inf": -math.inf,
    "NumPy's nan": np.float32("nan"),
    "tensor of nan": tf.constant(math.nan),
    "more than a float holds": 10**400,
}
NOT_WHOLE = {"float": 3.0, "NumPy's float": np.float64(3), "tensor": tf.constant(3.0), "nan": math.nan}


def cases(*tables):
    return [pytest.param(value, id=name) for table in tables for name, value in table.items()]


@pytest.mark.parametrize("value", cases(NO_NUMBERS, NOT_FINITE))
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(ValueError, match=r"^`rate` should be a finite number; received ") as error:
        arguments.number("rate", value)
    assert repr(value)[:200] in str(error.value)


@pytest.mark.parametrize("value", cases(NO_NUMBERS, NOT_WHOLE))
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(ValueError, match=r"^`steps` should be a whole number; received ") as error:
        arguments.whole_number("steps", value)
    assert repr(value)[:200] in str(error.value)


@pytest.mark.parametrize(
    "value",
    [3, 3.0, np.int8(3), np.uint64(3), np.float16(3), np.float32(3), np.array(3), np.array(3.0)]
    + [fractions.Fraction(3), tf.constant(3), tf.constant(3.0), tf.constant(3, tf.bfloat16)],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')}",
)
def test_numbers_of_every_library_are_numbers(value):
    found = arguments.number("rate", value)
    assert found == 3
    assert type(found) is float
    if "int" in str(getattr(value, "dtype", type(value))):
        assert type(arguments.whole_number("steps", value)) is int


def test_numbers_keep_every_digit():
    assert arguments.number("rate", 0.1) == 0.1
    assert arguments.number("rate", np.float32(0.1)) == float(np.float32(0.1))
    assert arguments.whole_number("seed", 2**70 + 1) == 2**70 + 1


def test_a_symbolic_tensor_inside_a_function_is_refused():
    @tf.function
    def traced(tensor):
        return arguments.number("rate", tensor)

    with pytest.raises(ValueError, match="`rate` should be a finite number"):
        traced(tf.constant(1.0))


def test_a_variable_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"A variable can change later; give its value: float\(variable\)\."):
        arguments.number("rate", tf.Variable(0.5))
    with pytest.raises(ValueError, match="A variable can change later"):
        arguments.whole_number("steps", tf.Variable(5))


@pytest.mark.parametrize(
    ("bounds", "good", "bad", "message"),
    [
        ({"above": 0}, [1e-300, 5], [0, -1], "> 0;"),
        ({"at_least": 0}, [0, 5], [-1e-300], "≥ 0;"),
        ({"below": 1}, [0.999, -5], [1, 2], "< 1;"),
        ({"at_most": 1}, [1, -5], [1.001], "≤ 1;"),
        ({"at_least": 0, "at_most": 0.5}, [0, 0.5], [-0.1, 0.6], "≥ 0 and ≤ 0.5;"),
        ({"above": 0, "below": 1}, [0.5], [0, 1], "> 0 and < 1;"),
    ],
    ids=str,
)
def test_bounds(bounds, good, bad, message):
    for value in good:
        assert arguments.number("rate", value, **bounds) == value
    for value in bad:
        with pytest.raises(ValueError, match=re.escape(f"`rate` should be a finite number {message}")):
            arguments.number("rate", value, **bounds)


def test_whole_numbers_between_bounds():
    assert [arguments.whole_number("n", n, at_least=1, at_most=3) for n in (1, 3)] == [1, 3]
    for n in (0, 4):
        with pytest.raises(ValueError, match=rf"a whole number ≥ 1 and ≤ 3; received {n}\.$"):
            arguments.whole_number("n", n, at_least=1, at_most=3)


def test_the_message_says_what_else_is_taken():
    with pytest.raises(ValueError, match=r"a finite number > 0 or a schedule; received -1\.$"):
        arguments.number("rate", -1, above=0, also=" or a schedule")
    with pytest.raises(ValueError, match=r"a whole number ≥ 1, or -1 for all; received 0\.$"):
        arguments.whole_number("groups", 0, at_least=1, also=", or -1 for all")


def test_seeds():
    assert [arguments.seed("seed", n) for n in (0, np.uint32(2**32 - 1))] == [0, 2**32 - 1]
    for n in (-1, 2**32, 1.0, None):
        with pytest.raises(ValueError, match=r"`seed` should be a whole number ≥ 0 and ≤ 4,294,967,295; rec"):
            arguments.seed("seed", n)


def test_one_of_a_few_strings():
    assert type(arguments.one_of("ord", np.str_("fro"), ("fro", "nuclear"))) is str
    for value in ("f", "Fro", "", 1, None, ["fro"], True):
        with pytest.raises(ValueError, match=r"^`ord` should be 'fro', 'l1' or 'nuclear'; received "):
            arguments.one_of("ord", value, ("fro", "l1", "nuclear"))
    with pytest.raises(ValueError, match="should be 'fro'; received 'f'"):
        arguments.one_of("ord", "f", ["fro"])


def test_flags():
    assert arguments.flag("scale", np.False_) is False
    assert arguments.flag("scale", True) is True
    for value in (0, 1, "yes", None, [], np.array([True])):
        with pytest.raises(ValueError, match="`scale` should be True or False; received "):
            arguments.flag("scale", value)


def test_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert arguments.path("folder", "~/data") == Path("/home/somebody/data")
    assert arguments.path("folder", Path("data")) == Path("data")
    for value in ("", None, 3, b"data", "a\0b"):
        with pytest.raises(ValueError, match="`folder` should be a path; received "):
            arguments.path("folder", value)
    with pytest.raises(ValueError, match=r"`folder` should be a path without ~.*'~no_such_user_here/data'"):
        arguments.path("folder", "~no_such_user_here/data")


def test_long_values_are_cut():
    with pytest.raises(ValueError, match="received") as error:
        arguments.flag("scale", "x" * 10_000)
    assert len(str(error.value)) < 400
    assert str(error.value).endswith("....")


def test_a_remedy_follows_the_value():
    with pytest.raises(ValueError, match=r"^`a` should be b; received 1\. Use c\.$"):
        arguments.refuse("a", "b", 1, "Use c.")
