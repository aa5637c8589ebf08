"""What checks are written with: call a learner's answer, compare the result, and explain a difference."""

from __future__ import annotations

import contextlib
import copy
import difflib
import inspect
import random
import sys
import warnings
from dataclasses import dataclass, field

import numpy as np

#: All checks, each under the name of the learner's answer; `exercise` adds them.
EXERCISES = {}

_STATES = {"right": "Right.", "wrong": "Not yet.", "open": "Still open."}


@dataclass(frozen=True)
class Answer:
    """The result of a check. Jupyter shows it as a sentence.

    Attributes
    ----------
    state : {"right", "wrong", "open"}
        "open" while the exercise is not filled in.
    text : str
        The message, in Markdown.
    given : dict
        What your function was given in the last call before its answer was found wrong, by the names of its
        arguments: in the cell below a check, ``_.given`` is the input to try again. Else it is empty.
    passed : bool
        Whether the state is "right".

    Examples
    --------
    >>> Answer("right", "All 200 rows agree.")
    Right. All 200 rows agree.
    """

    state: str
    text: str
    given: dict = field(default_factory=dict, compare=False, repr=False)

    @property
    def passed(self):
        """Whether the answer is right."""
        return self.state == "right"

    def __repr__(self):
        """Give the message as plain text."""
        return f"{_STATES[self.state]} {self.text}"

    def _repr_markdown_(self):
        return f"**{_STATES[self.state]}** {self.text}"


class WrongAnswer(Exception):
    """Raised by a check. The message has one form: what was looked at, expected, found, likely cause.

    >>> str(WrongAnswer("the mean", 0.5, 1.0, "you did not divide by n"))
    'the mean: expected 0.5, found 1. Likely cause: you did not divide by n.'
    """

    def __init__(self, what, expected, found, cause=""):
        """Write the message. Strings are used as they are, other values go through `format_value`."""
        expected, found = (v if isinstance(v, str) else format_value(v) for v in (expected, found))
        text = f"{what}: expected {expected}, found {found}."
        super().__init__(f"{text} Likely cause: {cause}." if cause else text)


class NotFilledIn(Exception):
    """Raised by a check when the answer still contains `...`."""


def exercise(function):
    """Register a check. It takes the learner's answer, and returns a message or raises `WrongAnswer`.

    >>> @exercise
    ... def half(answer):
    ...     assert_close("half of 6", call_answer(answer, 6), 3, mistakes={"you doubled": 12})
    ...     return "Half of 6 is 3."
    >>> check("half", {"half": lambda x: 2 * x})  # doctest: +ELLIPSIS
    Not yet. Half of 6: expected 3, found 12. Likely cause: you doubled. The last call was given `x` = 6; ...
    >>> del EXERCISES["half"]
    """
    if function.__name__ in EXERCISES:
        raise ValueError(f"there are two checks called {function.__name__}")
    EXERCISES[function.__name__] = function
    return function


def check(name, namespace=None):
    """Check your answer to an exercise.

    The check calls your function with its own test inputs. It compares results, never code, so every correct
    solution passes. Random seeds and settings of NumPy, TensorFlow, Keras and Matplotlib stay as they were.

    Parameters
    ----------
    name : str
        The name of your function, class or value, as the exercise gives it.
    namespace : dict, optional
        Where to look the name up. Default: the variables of the notebook.

    Returns
    -------
    Answer
        Whether the answer is right; if not, what was expected, what was found, and the likely cause.

    Raises
    ------
    ValueError
        If there is no exercise with this name.

    Examples
    --------
    >>> check("dead_share", {}).state
    'open'
    >>> check("dead_share", {"dead_share": lambda h: (h == 0).all(axis=0).mean()}).passed
    True
    """
    if name not in EXERCISES:
        near = difflib.get_close_matches(str(name), EXERCISES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(sorted(EXERCISES))}"
        raise ValueError(f"no exercise is called {name!r}{hint}")
    namespace = _notebook_variables() if namespace is None else namespace
    if name not in namespace or is_unfilled(namespace[name]):
        return open_answer(name)
    _last_call.clear()
    try:
        with _global_state_restored():
            return Answer("right", EXERCISES[name](namespace[name]))
    except NotFilledIn:
        return open_answer(name)
    except WrongAnswer as wrong:
        text = str(wrong)
        return Answer("wrong", text[0].upper() + text[1:] + _input(), dict(_last_call))
    except (Exception, SystemExit) as error:
        # The answer returned something that no check foresees.
        text = f"Using `{name}` failed with {_format_error(error)}."
        return Answer("wrong", text + _input(), dict(_last_call))
    finally:
        _last_call.clear()


def open_answer(name):
    """Give the result for an exercise that is not filled in."""
    if name not in EXERCISES:
        raise ValueError(f"no exercise is called {name!r}")
    return Answer(
        "open", f"`{name}` is not filled in yet: write it in the cell above, run that cell, then this one."
    )


def is_unfilled(answer):
    """Whether an answer is `None`, `...`, or a function or class with an empty body.

    >>> def to_do(x):
    ...     '''Double it.'''
    ...     ...
    >>> is_unfilled(to_do), is_unfilled(lambda x: 2 * x)
    (True, False)
    """
    if answer is None or answer is Ellipsis:
        return True
    if inspect.isclass(answer):
        return any(is_unfilled(value) for value in vars(answer).values() if inspect.isfunction(value))
    if not inspect.isfunction(answer):
        return False
    # `return 0.1` compiles to the same instructions as an empty body; only the constants differ.
    constants = {value for value in answer.__code__.co_consts if value is not None}
    return answer.__code__.co_code in _EMPTY_BODIES and constants <= {answer.__doc__}


def _empty_functions():
    def bare(): ...

    def with_docstring():
        """Say something."""

    def taking(x): ...

    def taking_with_docstring(x):
        """Say something."""

    return bare, with_docstring, taking, taking_with_docstring


_EMPTY_BODIES = {function.__code__.co_code for function in _empty_functions()}


_last_call = {}  # what the answer was given last, by name: a message shows it


def _input():
    """Say what the answer was given, in a sentence; "" if it was given nothing."""
    if not _last_call:
        return ""
    shown = ", ".join(f"`{name}` {_format_input(value)}" for name, value in _last_call.items())
    return f" The last call was given {shown}; `_.given` holds this input."


def _format_input(value):
    """Describe an input: short arrays and lists in full, long ones by their shape.

    >>> _format_input(np.array([[1.0, 2.5]])), _format_input(np.zeros((3, 8))), _format_input([[1], [2]])
    ('= [[1, 2.5]]', '(an array of shape (3, 8))', '= [[1], [2]]')
    """
    with contextlib.suppress(Exception):
        array = np.asarray(value)
        if array.dtype.kind in "biuf" and array.size <= 12:
            text = np.array2string(array, separator=", ", formatter={"float_kind": "{:.4g}".format})
            return "= " + " ".join(text.split())
    if isinstance(value, list | tuple) and any(hasattr(one, "shape") for one in value):
        return f"= [{', '.join(_format_input(one).removeprefix('= ') for one in value)}]"
    text = format_value(value)
    return f"= {text}" if isinstance(value, str | bool) else f"({text})"


def _by_name(answer, args, kwargs):
    """Give the arguments of a call by the names that the answer has for them."""
    try:
        return inspect.signature(answer).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return {f"argument {place}": value for place, value in enumerate(args, 1)} | kwargs


def call_answer(answer, *args, what="", **kwargs):
    """Call the learner's function on copies of the arguments; `what` names the result in messages."""
    what = what or f"`{getattr(answer, '__name__', 'the answer')}`"
    if not callable(answer):
        raise WrongAnswer(what, "a function", format_value(answer), "the name holds a value; write `def`")
    _last_call.clear()
    _last_call.update(_by_name(answer, args, kwargs))
    args, kwargs = [_copied(value) for value in args], {name: _copied(v) for name, v in kwargs.items()}
    try:
        result = answer(*args, **kwargs)
    except (WrongAnswer, NotFilledIn):
        raise  # from a check's own code, which the answer has called
    except (Exception, SystemExit) as error:
        raise WrongAnswer(what, "a result", _format_error(error)) from error
    if result is Ellipsis:
        raise NotFilledIn
    if result is None:
        raise WrongAnswer(what, "a result", "nothing (`None`)", "a `return` is missing")
    return result


def unpack(what, found, *names):
    """Split a tuple, list or array into as many values as there are names."""
    expected = f"{len(names)} values ({', '.join(names)})"
    cause = "return all of them, in this order, with commas between them"
    try:
        values = None if isinstance(found, dict | str | set) else list(found)
    except Exception:
        values = None
    if values is None:
        raise WrongAnswer(what, expected, format_value(found), cause)
    if len(values) != len(names):
        values = found if hasattr(found, "shape") else f"{len(values)} value{'s' * (len(values) != 1)}"
        raise WrongAnswer(what, expected, values, cause)
    return values


def as_array(what, value):
    """Convert the learner's value (number, list, array, tensor, variable) to an array of real numbers."""
    if value is Ellipsis:
        raise NotFilledIn
    try:
        array = np.asarray(value)
        if array.dtype.kind in "SUMmc":
            raise TypeError("text, dates and complex numbers are no real numbers")
        return array if array.dtype.kind in "biuf" else array.astype("float64")
    except Exception:
        raise WrongAnswer(what, "numbers", format_value(value)) from None


def as_number(what, value):
    """Convert the learner's value to one Python number."""
    array = as_array(what, value)
    expect(array.size == 1, what, "one number", _format_shape(array))
    return array.item()


def expect(condition, what, expected, found, cause=""):
    """Raise `WrongAnswer` unless the condition is true."""
    if not condition:
        raise WrongAnswer(what, expected, found, cause)


def assert_close(what, found, expected, *, mistakes=(), cause="", rtol=1e-4, atol=1e-6):
    """Raise `WrongAnswer` unless shape and values agree within the tolerances.

    `mistakes` (a dict, or pairs) has likely causes and the values that they lead to; `cause` is for all other
    values. The default tolerances suit single precision.

    >>> assert_close("half", 4.0, 2.0, mistakes={"you doubled": 4.0})
    Traceback (most recent call last):
    ...
    course_utils.checks.exercise.WrongAnswer: half: expected 2, found 4. Likely cause: you doubled.
    """
    expected, array = np.asarray(expected), as_array(what, found)

    def close(value):
        return is_close(array, value, rtol=rtol, atol=atol)

    if close(expected):
        return
    pairs = mistakes.items() if isinstance(mistakes, dict) else mistakes
    cause = next((mistake for mistake, value in pairs if close(value)), cause)
    if array.shape != expected.shape:
        raise WrongAnswer(what, _format_shape(expected), _format_shape(array), cause)
    if not np.isfinite(array).all() and np.isfinite(expected).all():
        cause = cause or "a division by zero, or a logarithm or root of a negative number"
    if array.size > 4:
        off = ~np.isclose(*_float64(array, expected), rtol=rtol, atol=atol, equal_nan=True)
        place = np.unravel_index(np.argmax(off), off.shape)
        what += f", at [{', '.join(map(str, place))}]"
        if off.sum() > 1:
            what += f" (and {off.sum() - 1} more of {off.size})"
        expected, array = expected[place], array[place]
    raise WrongAnswer(what, expected, array, cause)


def is_close(found, expected, rtol=1e-4, atol=1e-6):
    """Whether two arrays have the same shape and, within the tolerances, the same values."""
    return np.shape(found) == np.shape(expected) and np.allclose(
        *_float64(found, expected), rtol=rtol, atol=atol, equal_nan=True
    )


def _float64(*arrays):
    return [np.asarray(array).astype("float64") for array in arrays]


def format_value(value):
    """Describe a value in a message: numbers with four digits, large or other objects by their type.

    >>> format_value(0.123456), format_value([1.0, 2.5]), format_value({"a": 1}), format_value("abc")
    ('0.1235', '[1, 2.5]', 'a dict', '`abc`')
    """
    if isinstance(value, str):
        return f"`{_shortened(value)}`"
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    with contextlib.suppress(Exception):
        array = np.asarray(value)
        if np.issubdtype(array.dtype, np.number):
            if array.ndim == 0:
                return f"{array.item():.4g}" if isinstance(array.item(), float) else f"{array.item()}"
            if array.size <= 6:
                return f"[{', '.join(f'{number:.4g}' for number in array.ravel())}]"
            return _format_shape(array)
    if inspect.isclass(value) or inspect.isfunction(value):
        return f"`{value.__name__}`"
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'AEIOaeio' else 'a'} {kind}"


def _format_shape(array):
    if array.ndim == 0:
        return f"one number ({format_value(array)})"
    return f"an array of shape {array.shape}"


def _format_error(error):
    return f"{type(error).__name__}: {_shortened(error)}".rstrip(": ")


def _shortened(text):
    text = " ".join(str(text).split())
    return f"{text[:200]}{'…' if len(text) > 200 else ''}"


def _copied(value):
    return copy.deepcopy(value) if isinstance(value, np.ndarray | list | dict | tuple) else value


def _notebook_variables():
    with contextlib.suppress(ImportError):
        from IPython import get_ipython

        if get_ipython() is not None:
            return get_ipython().user_ns
    return sys._getframe(2).f_globals


@contextlib.contextmanager
def _global_state_restored():
    """Restore seeds and settings that an answer may change, and hide numerical warnings."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(np.errstate(all="ignore"))
        if "matplotlib" in sys.modules:
            stack.enter_context(sys.modules["matplotlib"].rc_context())
        if "keras" in sys.modules:
            from course_utils.keras_private import global_state_restored

            stack.enter_context(global_state_restored())
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
