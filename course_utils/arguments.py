"""The checks of arguments that the whole package shares.

Each check returns the value as a plain Python object, or raises a ``ValueError``. The error names the
argument, says what it should be, and gives the value received. NumPy's numbers count as numbers, and so do
arrays and tensors of shape (). ``True``, ``False`` and variables do not. (A variable can change after the
check.)
"""

import math
import numbers
from pathlib import Path

import numpy as np


def refuse(name, should_be, value, remedy=""):
    """Raise the ``ValueError`` of every check."""
    received = repr(value)
    if len(received) > 300:
        received = received[:297] + "..."
    raise ValueError(f"`{name}` should be {should_be}; received {received}." + f" {remedy}" * bool(remedy))


def whole_number(name, value, at_least=None, at_most=None, also=""):
    """Return a whole number between two bounds, both included, as an int.

    The message includes `also`: what else the caller accepts.

    >>> whole_number("epochs", 0, at_least=1)
    Traceback (most recent call last):
    ValueError: `epochs` should be a whole number ≥ 1; received 0.
    """
    plain = _plain(value)
    if not (isinstance(plain, numbers.Integral) and _within(plain, at_least=at_least, at_most=at_most)):
        should_be = "a whole number" + _bounds(at_least=at_least, at_most=at_most) + also
        refuse(name, should_be, value, _remedy(value))
    return int(plain)


def number(name, value, above=None, at_least=None, below=None, at_most=None, also=""):
    """Return a finite number between two bounds as a float.

    The message includes `also`: what else the caller accepts.

    >>> number("decay_rate", "fast", above=0)
    Traceback (most recent call last):
    ValueError: `decay_rate` should be a finite number > 0; received 'fast'.
    """
    plain = _plain(value)
    bounds = {"above": above, "at_least": at_least, "below": below, "at_most": at_most}
    if not (isinstance(plain, numbers.Real) and _is_finite(plain) and _within(float(plain), **bounds)):
        refuse(name, "a finite number" + _bounds(**bounds) + also, value, _remedy(value))
    return float(plain)


def seed(name, value):
    """Return a seed that Python, NumPy and TensorFlow all accept."""
    return whole_number(name, value, at_least=0, at_most=2**32 - 1)


def one_of(name, value, choices):
    """Return a value that is one of a few strings.

    >>> one_of("ord", "max", ("fro", "nuclear"))
    Traceback (most recent call last):
    ValueError: `ord` should be 'fro' or 'nuclear'; received 'max'.
    """
    if not (isinstance(value, str) and value in tuple(choices)):
        *others, last = map(repr, choices)
        refuse(name, f"{', '.join(others)} or {last}" if others else last, value)
    return str(value)


def flag(name, value):
    """Return True or False as a bool; NumPy's booleans count too."""
    if not isinstance(value, bool | np.bool_):
        refuse(name, "True or False", value)
    return bool(value)


def path(name, value):
    """Return a path; ``~`` is replaced by the home folder."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        refuse(name, "a path", value)
    try:
        return Path(value).expanduser()
    except RuntimeError:  # no such user, or no HOME
        refuse(name, "a path without ~, because there is no such home folder here", value)


def _plain(value):
    """Return a number, or the number in an array or tensor of shape (); None for anything else."""
    if isinstance(value, bool | np.bool_ | np.timedelta64) or hasattr(value, "assign"):
        return None
    if isinstance(value, numbers.Real):
        return value
    if getattr(value, "shape", None) == ():
        try:
            plain = value.numpy() if hasattr(value, "numpy") else np.asarray(value)
            kind = plain.dtype.kind  # V is the kind of bfloat16, which NumPy does not know
            return int(plain) if kind in "iu" else float(plain) if kind in "fV" else None
        except Exception:  # a symbolic tensor has no value yet; each library raises its own error
            return None
    return None


def _remedy(value):
    """What to do about a variable: a message about a number would not explain the error."""
    return "A variable can change later; give its value: float(variable)." * hasattr(value, "assign")


def _is_finite(value):
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _within(value, above=None, at_least=None, below=None, at_most=None):
    return (
        (above is None or value > above)
        and (at_least is None or value >= at_least)
        and (below is None or value < below)
        and (at_most is None or value <= at_most)
    )


def _bounds(above=None, at_least=None, below=None, at_most=None):
    lower = f"> {above:g}" if above is not None else f"≥ {at_least:g}" if at_least is not None else ""
    upper = f"< {below:g}" if below is not None else f"≤ {at_most:,}" if at_most is not None else ""
    return "".join(f" {bound}" for bound in (lower, "and" * bool(lower and upper), upper) if bound)
