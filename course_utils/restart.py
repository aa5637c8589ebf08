"""The same compiled net from another seed, without compiling it again.

An experiment over five seeds and five batch sizes trains one net twenty-five times. TensorFlow needs
longer to build its training program than to run it for a few hundred steps; so the lessons compile such a
net once and put it back to a fresh start before each training.
"""

from __future__ import annotations

import keras
import tensorflow as tf


def restart(model: keras.Model, seed: int) -> keras.Model:
    """Put a compiled model back to a start: new weights, an optimizer without memory, both from the seed.

    Afterwards the model is as if it had been built and compiled right after
    ``keras.utils.set_random_seed(seed)``: initializers have drawn anew, running statistics are those of an
    untrained net, dropout starts over, and the optimizer has made no step. Its learning rate, and what else
    it was compiled with, stay as they are. The global seed is set too, so that what is shuffled afterwards
    can be repeated.

    One thing falls short with Keras 2: its dropout takes the seed of its masks when the net is first trained,
    and keeps it. A restarted training still repeats to the last bit, but restarts from different seeds see
    the same masks (on other weights and other batches). Compiled with XLA, those masks come from a stream
    that lasts as long as the process, and cannot be repeated in it at all.

    Parameters
    ----------
    model : keras.Model
        Sequential or functional, compiled.
    seed : int
        Any whole number from 0 to 2**32 - 1.

    Returns
    -------
    keras.Model
        The same model.

    Raises
    ------
    ValueError
        If the model is not compiled or not built yet, or the seed is not such a number.

    Examples
    --------
    >>> import numpy as np
    >>> net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> net.compile("adam", "mse")
    >>> x, y = np.ones((8, 2)), np.ones((8, 1))
    >>> first = restart(net, seed=1).fit(x, y, epochs=2, verbose=0).history["loss"]
    >>> first == restart(net, seed=1).fit(x, y, epochs=2, verbose=0).history["loss"]
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed should be a whole number from 0 to 2**32 - 1; received {seed!r}.")
    if not model.built or getattr(model, "optimizer", None) is None:
        raise ValueError(
            f"The model {model.name!r} should be built and compiled before it is restarted: give it a "
            "keras.Input, and call compile()."
        )
    optimizer = model.optimizer
    keras.utils.set_random_seed(seed)
    fresh = keras.models.clone_model(model)
    fresh_optimizer = type(optimizer).from_config(optimizer.get_config())
    for one in (optimizer, fresh_optimizer):
        # TensorFlow Addons' optimizers are of the kind that Keras 2 calls legacy.
        build = one.build if hasattr(one, "build") else one._create_all_weights
        build(model.trainable_variables)

    for old, new in zip(model.variables, fresh.variables, strict=True):
        old.assign(new)
    for old, new in zip(_memory(optimizer), _memory(fresh_optimizer), strict=True):
        old.assign(new)
    return model


def _memory(optimizer):
    """An optimizer's variables, and Nadam's product, which Keras 2 does not count among them."""
    variables = optimizer.variables
    variables = variables() if callable(variables) else variables
    return [*variables, *(v for v in vars(optimizer).values() if isinstance(v, tf.Variable))]
