"""What a lesson measured, noted under the ids of the claims it bears on."""

import os

import numpy as np

from build_tools import CourseError, environment
from build_tools.claims import load_claims
from course_utils.files import to_json, write_text
from course_utils.stack import STACKS

MODES = ("quick", "full")


class Recorder:
    """Notes a lesson's measurements.

    In a notebook that someone reads, recording only checks and keeps. Where ``COURSE_RECORD_TO`` names a file
    (``python -m build_tools reproduce`` sets it), the record is written there, whole, after every step. The
    recorder notes what a run was, be it quick or on stand-in data; `ineligible` decides what may enter
    ``results/``.

    Parameters
    ----------
    lesson : str
        The lesson's name, ``"05_weight_normalization"``.
    seed : int
    mode : {"quick", "full"}
    stack : {"addons", "keras3"}

    Raises
    ------
    CourseError
        If the mode or the stack is unknown, or the seed is not a whole number.

    Examples
    --------
    >>> recorder = Recorder("05_weight_normalization", seed=42, mode="full", stack="keras3")
    >>> recorder.record("S1.c5", step_time_ratio=1.31)
    >>> recorder.measurements
    {'S1.c5': {'step_time_ratio': 1.31}}
    """

    def __init__(self, lesson, *, seed, mode, stack):
        """Check the settings, and note what is known at the start."""
        if mode not in MODES:
            raise CourseError(f"mode should be one of {', '.join(MODES)}, got {mode!r}")
        if stack not in STACKS:
            raise CourseError(f"stack should be one of {', '.join(STACKS)}, got {stack!r}")
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise CourseError(f"seed should be a whole number, got {seed!r}")
        self.lesson, self.seed, self.mode, self.stack = lesson, int(seed), mode, stack
        self.measurements = {}
        self._data = {}
        self._claims = load_claims().claims
        self._write()

    def data(self, image_data):
        """Note which data the measurements were made on.

        Parameters
        ----------
        image_data : ImageData
            Anything with ``name``, ``origin`` ("real" or "stand-in") and ``digests``.

        Returns
        -------
        None

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> recorder = Recorder("05_weight_normalization", seed=42, mode="full", stack="keras3")
        >>> recorder.data(SimpleNamespace(name="cifar10", origin="real", digests={"x_train": "ab12"}))
        """
        digests = image_data.digests
        self._data[str(image_data.name)] = {
            "origin": str(image_data.origin),
            "digests": {str(k): str(v) for k, v in digests.items()}
            if hasattr(digests, "items")
            else str(digests),
        }
        self._write()

    def record(self, claim_id, **measures):
        """Note the measures of one claim; a second call replaces the first.

        Parameters
        ----------
        claim_id : str
            The claim, ``"S1.c4"``.
        **measures
            Exactly the measures the claim names: numbers, or for an ordering two lists of equal length.
            NumPy and TensorFlow values are accepted.

        Returns
        -------
        None

        Raises
        ------
        CourseError
            If the claim is unknown or another lesson's, if a measure is missing or not the claim's, or if a
            number is not finite. It is a ValueError, in every mode, so that a quick run finds the mistake.

        Examples
        --------
        >>> recorder = Recorder("05_weight_normalization", seed=42, mode="quick", stack="keras3")
        >>> recorder.record("S1.c4", weight_normalized=0.61, plain=0.60)
        """
        claim = self._claims.get(claim_id)
        if claim is None:
            mine = [c.id for c in self._claims.values() if c.lesson == self.lesson]
            raise CourseError(
                f"claims.toml has no claim {claim_id!r}; "
                f"the claims of {self.lesson} are: {', '.join(mine) or 'none'}"
            )
        if claim.lesson != self.lesson:
            raise CourseError(f"claim {claim_id} belongs to lesson {claim.lesson}, not to {self.lesson}")
        self.measurements[claim_id] = checked_measures(claim, measures)
        self._write()

    def as_dict(self):
        """Give the record as it is written.

        Returns
        -------
        dict

        Examples
        --------
        >>> record = Recorder("05_weight_normalization", seed=7, mode="full", stack="keras3").as_dict()
        >>> record["seed"], record["measurements"]
        (7, {})
        """
        return {
            "lesson": self.lesson,
            "seed": self.seed,
            "mode": self.mode,
            "stack": self.stack,
            "data": self._data,
            "versions": environment.versions(),
            "cpu": environment.cpu_model(),
            "threads": environment.threads(),
            "measurements": self.measurements,
        }

    def _write(self):
        path = os.environ.get("COURSE_RECORD_TO")
        if path:
            write_text(path, to_json(self.as_dict()))


def checked_measures(claim, measures):
    """Turn measures into plain numbers and lists, after checking that they are what the claim needs.

    Parameters
    ----------
    claim : Claim
    measures : dict
        Measure name to number or list of numbers.

    Returns
    -------
    dict

    Raises
    ------
    CourseError
        If a name is missing or unknown, a number not finite, or a shape not the claim's.

    Examples
    --------
    >>> claim = load_claims().claims["S1.c4"]
    >>> checked_measures(claim, {"weight_normalized": np.float32(0.5), "plain": 0})
    {'weight_normalized': 0.5, 'plain': 0.0}
    """
    expected = set(claim.measures)
    if set(measures) != expected:
        missing, extra = sorted(expected - set(measures)), sorted(set(measures) - expected)
        parts = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"unknown: {', '.join(extra)}"] * bool(
            extra
        )
        raise CourseError(
            f"claim {claim.id} needs exactly the measures {', '.join(claim.measures)} ({'; '.join(parts)})"
        )
    plain = {}
    for name in claim.measures:
        if name == "holds":
            plain[name] = _plain_bool(claim, measures[name])
        else:
            plain[name] = _plain_numbers(claim, name, measures[name])
    if claim.kind != "ordering":
        for name, value in plain.items():
            if isinstance(value, list):
                raise CourseError(
                    f"claim {claim.id}: {name} should be one number, got a list of {len(value)}"
                )
    else:
        for pair in claim.orderings:
            lengths = [len(plain[m]) if isinstance(plain[m], list) else None for m in pair]
            if lengths[0] != lengths[1]:
                words = ["a number" if n is None else f"a list of {n}" for n in lengths]
                raise CourseError(
                    f"claim {claim.id}: {pair[0]} and {pair[1]} should both be numbers or lists of "
                    f"equal length, got {words[0]} and {words[1]}"
                )
    return plain


def _plain_bool(claim, value):
    value = np.asarray(value)
    if value.shape or value.dtype != np.bool_:
        raise CourseError(f"claim {claim.id}: holds should be True or False, got {value!r}")
    return bool(value)


def _plain_numbers(claim, name, value):
    # np.asarray reads NumPy values, TensorFlow tensors and lists of either; float64 holds them all exactly.
    try:
        array = np.asarray(value)
        numbers = array.astype(np.float64)
    except (TypeError, ValueError):
        raise CourseError(
            f"claim {claim.id}: {name} should be a number or a list of numbers, got {value!r}"
        ) from None
    if array.dtype.kind not in "iuf" or numbers.ndim > 1 or not numbers.size:
        raise CourseError(f"claim {claim.id}: {name} should be a number or a list of numbers, got {value!r}")
    if not np.isfinite(numbers).all():
        raise CourseError(f"claim {claim.id}: {name} is not finite: {value!r}. Did the training diverge?")
    return numbers.tolist()


def ineligible(record):
    """Say why a record may not enter results/.

    Parameters
    ----------
    record : dict
        As from `Recorder.as_dict`.

    Returns
    -------
    str
        The reason, or an empty string if it may.

    Examples
    --------
    >>> ineligible({"mode": "full", "data": {"cifar10": {"origin": "real"}}})
    ''
    >>> ineligible({"mode": "full", "data": {"cifar10": {"origin": "stand-in"}}})
    'it was measured on stand-in data (cifar10)'
    """
    if record["mode"] != "full":
        return f"it was measured in {record['mode']} mode"
    others = [name for name, data in record["data"].items() if data["origin"] != "real"]
    if others:
        origins = sorted({record["data"][name]["origin"] for name in others})
        return f"it was measured on {'/'.join(origins)} data ({', '.join(others)})"
    return ""
