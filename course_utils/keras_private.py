"""Every private name of Keras and TensorFlow that the course uses, and the public way where one is as good.

Private names may change with any release. So they stand here and nowhere else, and
``tests/test_keras_private.py`` says what broke. A scheduled job of CI tries the newest releases.
"""

import contextlib

import keras
from tensorflow.python.eager import context

from course_utils.stack import STACK

# -- global random state and settings ------------------------------------------------------------------------
# The public set_random_seed sets the seeds; nothing public reads them or puts them back.


@contextlib.contextmanager
def global_state_restored():
    """Restore the global seeds of TensorFlow and Keras, and Keras' float type and dtype policy."""
    eager = context.context()
    tf_seed, tf_rng = eager._seed, getattr(eager, "_rng", None)  # no _rng until a seed is set
    tf_rng_state = tf_rng and tf_rng.getstate()
    keras_seeds = _keras_seeds()
    floatx, policy = keras.backend.floatx(), keras.mixed_precision.global_policy()
    try:
        yield
    finally:
        keras.backend.set_floatx(floatx)
        keras.mixed_precision.set_global_policy(policy)
        _set_keras_seeds(*keras_seeds)
        if eager._seed != tf_seed or (tf_rng and tf_rng.getstate() != tf_rng_state):
            eager._seed = tf_seed
            if tf_rng:
                eager._rng = tf_rng
                tf_rng.setstate(tf_rng_state)
            eager.clear_kernel_cache()  # kernels keep the random state of their operations


def _keras_seeds():
    """Read Keras' global random generator, with a copy of its state."""
    if STACK == "addons":
        from keras.src import backend

        generator = getattr(backend._SEED_GENERATOR, "generator", None)
        return generator, generator and generator.getstate()
    from keras.src.backend.common import global_state

    generator = global_state.get_global_attribute("global_seed_generator")
    state = None if generator is None else generator.state.numpy()
    return generator, state, global_state.get_global_attribute("global_random_seed")


def _set_keras_seeds(generator, state, *seed):
    if STACK == "addons":
        from keras.src import backend

        backend._SEED_GENERATOR.generator = generator
        if generator:
            generator.setstate(state)
        return
    from keras.src.backend.common import global_state

    global_state.set_global_attribute("global_seed_generator", generator)
    global_state.set_global_attribute("global_random_seed", *seed)
    if generator is not None:
        generator.state.assign(state)


# -- what the first training step would make -----------------------------------------------------------------
# Without these two a step makes it all the same while it is traced, but is then traced twice.


def build_metrics(model, batch):
    """Make the metrics of a Keras 3 model, as ``fit`` does first; Keras 2 has no such function."""
    if hasattr(model, "_symbolic_build"):
        model._symbolic_build(data_batch=keras.utils.unpack_x_y_sample_weight(batch))


def make_legacy_slots(optimizer, variables):
    """Make the slots of an optimizer from before Keras 2.11; newer ones have a public ``build``."""
    optimizer._create_all_weights(variables)


# -- seeds of layers ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def layer_seeds_kept(model):
    """Put back the seeds that Keras 2 counts up in Python each time it traces a seeded layer."""
    modules = model.submodules if STACK == "addons" else ()
    generators = [m._random_generator for m in modules if getattr(m, "_random_generator", None) is not None]
    before = [(generator, generator._seed) for generator in generators]
    try:
        yield
    finally:
        for generator, seed in before:
            generator._seed = seed
