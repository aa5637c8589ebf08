"""What checks are written with: run a learner's answer, compare what it gives, and say so in a sentence."""

from __future__ import annotations

import contextlib
import copy
import difflib
import inspect
import random
import sys
import warnings
from dataclasses import dataclass

import numpy as np

#: Every check by the name that the learner gives the answer; see `exercise`.
EXERCISES = {}

_WORDS = {"right": "Right.", "wrong": "Not yet.", "open": "Still open."}


@dataclass(frozen=True)
class Answer:
    """What a check says.

    Attributes
    ----------
    state : {"right", "wrong", "open"}
        "open" while nothing is filled in.
    text : str
        The sentence, in Markdown.

    Examples
    --------
    >>> Answer("right", "All 200 rows agree.")
    Right. All 200 rows agree.
    """

    state: str
    text: str

    @property
    def passed(self):
        """Whether the answer is right."""
        return self.state == "right"

    def __repr__(self):
        """Give the sentence without Markdown's signs."""
        return f"{_WORDS[self.state]} {self.text}"

    def _repr_markdown_(self):
        return f"**{_WORDS[self.state]}** {self.text}"


class Wrong(Exception):
    """Raised in a check: what is wrong, with what was expected and found, and the likely cause.

    Parameters
    ----------
    what : str
        What was looked at, in the learner's words.
    expected, found : object
        Values, or descriptions of them.
    cause : str, optional
        What a learner who gets this probably did.

    Examples
    --------
    >>> str(Wrong("the mean", 0.5, 1.0, "you forgot to divide"))
    'the mean: expected 0.5, found 1. Likely cause: you forgot to divide.'
    """

    def __init__(self, what, expected, found, cause=""):
        """Put the sentence together."""
        self.cause = cause
        text = f"{what}: expected {describe(expected)}, found {describe(found)}."
        super().__init__(f"{text} Likely cause: {cause}." if cause else text)


class Open(Exception):
    """Raised in a check when the learner has not filled in a part that is needed."""


def exercise(function):
    """Register a check under its function's name, which is also the name of the learner's answer.

    Parameters
    ----------
    function : callable
        Takes the answer; raises `Wrong`, or returns the sentence that says what has been tried.

    Returns
    -------
    callable
        The same function.

    Raises
    ------
    ValueError
        If two checks have one name.

    Examples
    --------
    >>> @exercise
    ... def half(answer):
    ...     same("half of 6", call(answer, 6), 3, mistakes={"you doubled": 12})
    ...     return "Half of 6 is 3."
    >>> check("half", {"half": lambda x: 2 * x})
    Not yet. Half of 6: expected 3, found 12. Likely cause: you doubled.
    >>> del EXERCISES["half"]
    """
    if function.__name__ in EXERCISES:
        raise ValueError(f"there are two checks called {function.__name__}")
    EXERCISES[function.__name__] = function
    return function


def check(name, namespace=None):
    """Check the learner's answer to an exercise.

    Parameters
    ----------
    name : str
        The name of the answer: a function, class or value of the notebook.
    namespace : dict, optional
        Where to look it up; by default among the notebook's own variables.

    Returns
    -------
    Answer
        Jupyter shows its sentence. ``check(...).passed`` says it to a program.

    Raises
    ------
    ValueError
        If there is no such exercise.

    Examples
    --------
    >>> check("dead_share", {}).state
    'open'
    """
    if name not in EXERCISES:
        near = difflib.get_close_matches(str(name), EXERCISES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(sorted(EXERCISES))}"
        raise ValueError(f"no exercise is called {name!r}{hint}")
    namespace = _notebook_variables() if namespace is None else namespace
    if name not in namespace or is_blank(namespace[name]):
        return open_answer(name)
    try:
        with _untouched_surroundings():
            return Answer("right", EXERCISES[name](namespace[name]))
    except Open:
        return open_answer(name)
    except Wrong as wrong:
        text = str(wrong)
        return Answer("wrong", text[0].upper() + text[1:])
    except Exception as error:
        # Not a bug of the check until proven: an answer of a kind that no check can foresee.
        return Answer("wrong", f"Using `{name}` failed with {_error(error)}.")


def open_answer(name):
    """Say that an exercise is not filled in yet.

    Parameters
    ----------
    name : str

    Returns
    -------
    Answer

    Examples
    --------
    >>> open_answer("dead_share").passed
    False
    """
    if name not in EXERCISES:
        raise ValueError(f"no exercise is called {name!r}")
    return Answer(
        "open", f"`{name}` is not filled in yet: write it in the cell above, run that cell, then this one."
    )


def is_blank(answer):
    """Say whether an answer is as we left it: nothing, ``...``, or a function or class without a body.

    Parameters
    ----------
    answer : object

    Returns
    -------
    bool

    Examples
    --------
    >>> def to_do(x):
    ...     '''Double it.'''
    ...     ...
    >>> is_blank(to_do), is_blank(lambda x: 2 * x)
    (True, False)
    """
    if answer is None or answer is Ellipsis:
        return True
    if inspect.isclass(answer):
        return any(is_blank(value) for value in vars(answer).values() if inspect.isfunction(value))
    if not inspect.isfunction(answer):
        return False
    # `return 0.1` has the same instructions as an empty body; what it returns stands among the constants.
    constants = {value for value in answer.__code__.co_consts if value is not None}
    return answer.__code__.co_code in _EMPTY and constants <= {answer.__doc__}


def _empty_functions():
    def bare(): ...

    def with_docstring():
        """Say something."""

    def taking(x): ...

    def taking_with_docstring(x):
        """Say something."""

    return bare, with_docstring, taking, taking_with_docstring


_EMPTY = {function.__code__.co_code for function in _empty_functions()}


def call(answer, *args, what="", **kwargs):
    """Call a learner's function on copies of the arguments.

    Parameters
    ----------
    answer : callable
    *args, **kwargs
        Its arguments. Arrays are copied, so that a function that changes them spoils nothing.
    what : str, optional
        How to call the result in a sentence; by default the function's name.

    Returns
    -------
    object
        What the function returned.

    Raises
    ------
    Wrong
        If it is no function, raises an error, or returns nothing.
    Open
        If it returns ``...``, as a half-filled cell does.

    Examples
    --------
    >>> call(lambda x: x + 1, 1)
    2
    """
    name = getattr(answer, "__name__", "the answer")
    what = what or f"`{name}`"
    if not callable(answer):
        raise Wrong(what, "a function", answer, "the name was given to a value; write `def`")
    args, kwargs = _copies(args), _copies(kwargs)
    try:
        result = answer(*args, **kwargs)
    except (Wrong, Open):
        raise
    except Exception as error:
        raise Wrong(what, "an answer", Words(_error(error))) from error
    if result is Ellipsis:
        raise Open
    if result is None:
        raise Wrong(what, "an answer", Words("nothing (`None`)"), "a `return` is missing")
    return result


def same(what, found, expected, *, mistakes=None, cause="", rtol=1e-4, atol=1e-6):
    """Demand that a value is the expected one, up to rounding.

    Parameters
    ----------
    what : str
        What the value is, in a few words.
    found : array-like
        The learner's value: a number, list, array or tensor.
    expected : array-like
    mistakes : dict of str to array-like, optional
        Causes, each with the value that it leads to: where the learner's is one of those, that is the likely
        cause.
    cause : str, optional
        The likely cause if it is none of them.
    rtol, atol : float
        As for `numpy.isclose`. The defaults leave room for single precision.

    Raises
    ------
    Wrong
        If the values, their shapes or their kinds differ.

    Examples
    --------
    >>> same("the variance", 4.0, 2.0, mistakes={"you divided by n - 1": 4.0})
    Traceback (most recent call last):
    ...
    course_utils.checks.exercise.Wrong: the variance: expected 2, found 4. Likely cause: you divided by n - 1.
    """
    expected = np.asarray(expected)
    array = numbers(what, found)

    def agrees(value):
        value = np.asarray(value)
        return array.shape == value.shape and np.allclose(
            array.astype("float64"), value.astype("float64"), rtol=rtol, atol=atol, equal_nan=True
        )

    if agrees(expected):
        return
    for mistake, value in (mistakes or {}).items():
        if agrees(value):
            cause = mistake
            break
    if array.shape != expected.shape:
        raise Wrong(what, Words(_shape(expected)), Words(_shape(array)), cause)
    if not np.isfinite(array.astype("float64")).all() and np.isfinite(expected.astype("float64")).all():
        cause = cause or "a division by zero, or a logarithm or root of a negative number"
    if array.size <= 4:
        raise Wrong(what, expected, array, cause)
    with np.errstate(all="ignore"):
        off = ~np.isclose(array.astype("float64"), expected.astype("float64"), rtol=rtol, atol=atol)
    place = np.unravel_index(np.argmax(off), off.shape)
    where = ", ".join(map(str, place))
    count = (
        f"{what}, at [{where}] (and {off.sum() - 1} more of {off.size})"
        if off.sum() > 1
        else (f"{what}, at [{where}]")
    )
    raise Wrong(count, expected[place], array[place], cause)


def numbers(what, value):
    """Give a learner's value as an array of numbers.

    Parameters
    ----------
    what : str
        What the value is, in a few words.
    value : array-like
        A number, list, array, tensor or Keras variable.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    Wrong
        If it is something else.

    Examples
    --------
    >>> numbers("the shares", [1, 2]).shape
    (2,)
    """
    if value is Ellipsis:
        raise Open
    try:
        array = np.asarray(value)
        if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
            array = array.astype("float64")
    except (TypeError, ValueError):
        raise Wrong(what, Words("numbers"), value) from None
    return array


def that(condition, what, expected, found, cause=""):
    """Demand something of an answer.

    Parameters
    ----------
    condition : bool
    what, expected, found, cause
        As for `Wrong`.

    Raises
    ------
    Wrong
        If the condition is false.

    Examples
    --------
    >>> that(True, "the depth", 20, 20)
    """
    if not condition:
        raise Wrong(what, expected, found, cause)


class Words(str):
    """Words that stand in a sentence as they are, unlike a string that a learner's function returned."""


def describe(value):
    """Put a value into a sentence: numbers with four digits, long things by their kind.

    Parameters
    ----------
    value : object

    Returns
    -------
    str

    Examples
    --------
    >>> describe(0.123456), describe([1.0, 2.5]), describe({"a": 1})
    ('0.1235', '[1, 2.5]', 'a dict')
    """
    if isinstance(value, str):
        return str(value) if isinstance(value, Words) or " " in value else f"`{value}`"
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    try:
        array = np.asarray(value)
        if np.issubdtype(array.dtype, np.number):
            if array.ndim == 0:
                return f"{array.item():.4g}" if isinstance(array.item(), float) else f"{array.item()}"
            if array.size <= 6:
                return f"[{', '.join(f'{number:.4g}' for number in array.ravel())}]"
            return _shape(array)
    except (TypeError, ValueError):
        pass
    if inspect.isclass(value) or inspect.isfunction(value):
        return f"`{value.__name__}`"
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'AEIOaeio' else 'a'} {kind}"


def _shape(array):
    if array.ndim == 0:
        return f"one number ({array.item():.4g})"
    return f"an array of shape {array.shape}"


def _error(error):
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}{'…' if len(text) > 200 else ''}".rstrip(": ")


def _copies(values):
    def one(value):
        return copy.deepcopy(value) if isinstance(value, np.ndarray | list | dict | tuple) else value

    if isinstance(values, dict):
        return {name: one(value) for name, value in values.items()}
    return [one(value) for value in values]


def _notebook_variables():
    with contextlib.suppress(ImportError):
        from IPython import get_ipython

        if get_ipython() is not None:
            return get_ipython().user_ns
    return sys._getframe(2).f_globals


@contextlib.contextmanager
def _untouched_surroundings():
    """Leave the global random generators as they were, and keep numerical warnings out of the notebook."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
