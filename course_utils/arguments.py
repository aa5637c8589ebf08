"""The checks of arguments that the whole package shares.

Each returns the value as a plain Python object, or raises a ``ValueError`` that names the argument, says what
it should be, and gives the value received. NumPy's numbers count as numbers, and so do arrays and tensors of
shape (); ``True`` and ``False`` do not.
"""

import math
import numbers
from pathlib import Path

import numpy as np


def refuse(name, should_be, value, remedy=""):
    """Raise the ``ValueError`` that every check ends with."""
    raise ValueError(f"`{name}` should be {should_be}; received {value!r}." + f" {remedy}" * bool(remedy))


def whole_number(name, value, at_least=None, at_most=None):
    """Return a whole number between two bounds, both included, as an int.

    >>> whole_number("epochs", 0, at_least=1)
    Traceback (most recent call last):
    ValueError: `epochs` should be a whole number ≥ 1; received 0.
    """
    plain = _plain(value)
    ok = isinstance(plain, numbers.Integral) and _within(plain, at_least=at_least, at_most=at_most)
    if not ok:
        refuse(name, "a whole number" + _bounds(at_least=at_least, at_most=at_most), value)
    return int(plain)


def number(name, value, above=None, at_least=None, below=None, at_most=None):
    """Return a finite number between two bounds as a float.

    >>> number("decay_rate", "fast", above=0)
    Traceback (most recent call last):
    ValueError: `decay_rate` should be a finite number > 0; received 'fast'.
    """
    plain = _plain(value)
    bounds = {"above": above, "at_least": at_least, "below": below, "at_most": at_most}
    if not (isinstance(plain, numbers.Real) and math.isfinite(plain) and _within(plain, **bounds)):
        refuse(name, "a finite number" + _bounds(**bounds), value)
    return float(plain)


def seed(name, value):
    """Return a seed that Python, NumPy and TensorFlow all take."""
    return whole_number(name, value, at_least=0, at_most=2**32 - 1)


def one_of(name, value, choices):
    """Return a value that is one of a few strings.

    >>> one_of("ord", "max", ("fro", "nuclear"))
    Traceback (most recent call last):
    ValueError: `ord` should be 'fro' or 'nuclear'; received 'max'.
    """
    if not (isinstance(value, str) and value in choices):
        *others, last = map(repr, choices)
        refuse(name, f"{', '.join(others)} or {last}" if others else last, value)
    return value


def flag(name, value):
    """Return True or False, NumPy's included, as a bool."""
    if not isinstance(value, bool | np.bool_):
        refuse(name, "True or False", value)
    return bool(value)


def path(name, value):
    """Return a path, with ``~`` spelled out."""
    if not isinstance(value, str | Path) or not str(value):
        refuse(name, "a path", value)
    return Path(value).expanduser()


def _plain(value):
    """The number in an array or tensor of shape (); None for what is no number."""
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, numbers.Real):
        return value
    if getattr(value, "shape", None) == () and not isinstance(value, np.generic):
        try:
            return _plain(np.asarray(value).item())
        except Exception:  # a symbolic tensor has no value yet; each library says so in its own way
            return None
    return None


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
