"""The global random states, kept as they are while something else draws from them."""

from __future__ import annotations

import contextlib
import random

import numpy as np
from tensorflow.python.eager import context  # the one place where eager TensorFlow keeps its random state


@contextlib.contextmanager
def random_state_kept():
    """Put back the global random states of Python, NumPy and TensorFlow, also after an exception.

    Keras has none of its own, as long as every layer has a seed generator: it seeds those from Python's.

    Examples
    --------
    >>> random.seed(1)
    >>> with random_state_kept():
    ...     first = random.random()
    >>> random.random() == first
    True
    """
    tensorflow = getattr(context.context(), "_rng", None)  # absent until a seed is set
    before = random.getstate(), np.random.get_state(), tensorflow and tensorflow.getstate()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        if tensorflow and tensorflow.getstate() != before[2]:
            tensorflow.setstate(before[2])
            # Random operations outside functions are kept with their state and found again by their seeds.
            context.context().clear_kernel_cache()
