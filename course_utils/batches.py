"""Batches in a new order every epoch, on both stacks.

Keras 3 on TensorFlow shuffles the arrays given to ``fit`` inside a ``tf.data`` function that every epoch
starts afresh. Once a seed is set (``keras.utils.set_random_seed``), each epoch then brings the same batches
in the same order; seen with Keras 3.15.1 and TensorFlow 2.21.0. Keras 2 shuffles anew. So the lessons that
compare nets shuffle here, alike on both stacks. Lesson 00 shows it.
"""

from __future__ import annotations

import tensorflow as tf


def shuffled(x, y, batch_size: int = 32) -> tf.data.Dataset:
    """Give examples and labels in batches, in a new order every epoch.

    The order follows from the global seed, so ``keras.utils.set_random_seed`` before it makes a training
    repeatable. The last batch is smaller where the number of examples asks for it.

    Parameters
    ----------
    x : array of shape (n, ...)
        The examples.
    y : array of shape (n, ...)
        Their labels.
    batch_size : int, default=32
        Examples per batch.

    Returns
    -------
    tf.data.Dataset
        For ``model.fit(shuffled(x, y), epochs=...)``; its length is the number of batches.

    Raises
    ------
    ValueError
        If `x` and `y` differ in length or are empty, or `batch_size` is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> batches = shuffled(np.arange(10), np.arange(10), batch_size=4)
    >>> [len(labels) for _, labels in batches]
    [4, 4, 2]
    """
    if len(x) != len(y) or not len(x):
        raise ValueError(f"x and y should hold the same number of examples; received {len(x)} and {len(y)}.")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size should be a positive integer; received {batch_size!r}.")
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    # Shuffling indices rather than images: the whole set can be shuffled without holding it twice.
    indices = tf.data.Dataset.range(len(x)).shuffle(len(x), reshuffle_each_iteration=True)
    picked = indices.batch(batch_size).map(lambda i: (tf.gather(x, i), tf.gather(y, i)))
    return picked.prefetch(tf.data.AUTOTUNE)
