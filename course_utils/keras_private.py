"""Every private name of Keras and TensorFlow that the course uses, and public replacements where they exist.

Private names can change with any release, so this is the only module that uses them. If one changes,
``tests/test_keras_private.py`` fails and names it. A weekly job tests the newest releases.
"""

import contextlib
import inspect

import keras
from tensorflow.python.eager import context

from course_utils.stack import STACK

# -- stateless scopes of Keras 3 -----------------------------------------------------------------------------
# keras.StatelessScope is public. Its attribute for the scope around it is not.


def in_stateless_scope():
    """Whether a stateless scope supplies the values of variables, as when Keras infers shapes."""
    with keras.StatelessScope() as probe:
        return probe.original_scope is not None


@contextlib.contextmanager
def values_replaced(values):
    """Give Keras 3 variables other values inside a block; hold back assignments to other variables.

    `values` are pairs of a variable and its value. The context manager gives a function, to be called after
    the block with a list of variables. It returns the held-back assignments to those variables, as such
    pairs, and the losses that layers added. The caller applies both.
    """
    with keras.StatelessScope(collect_losses=True) as scope:
        # If there is already a scope around this one, its values still apply.
        outer = {} if scope.original_scope is None else dict(scope.original_scope.state_mapping)
        scope.state_mapping.update(outer)
        for variable, value in values:
            scope.add_update((variable, value))
        replaced = {id(variable) for variable, _ in values}

        def kept_back(variables):
            new = [(variable, scope.get_current_value(variable)) for variable in variables]
            return [
                (variable, value)
                for variable, value in new
                if value is not None and value is not outer.get(id(variable)) and id(variable) not in replaced
            ], scope.losses

        yield kept_back


# -- the step functions of a Keras 3 model -------------------------------------------------------------------


def renew_functions_being_traced():
    """Make every model whose step is being traced build its functions again.

    ``fit``, ``evaluate`` and ``predict`` look up their function before each step, so the next step is traced
    again. A layer does not know the models that contain it. In a custom ``train_step`` the outermost *layer*
    called may be only a part of the model that trains. But while a step is traced, the methods of all these
    models are on the Python stack. If no model is found there, nothing happens, and the current function
    stays in use.
    """
    models, frame = {}, inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.Model):
            models[id(caller)] = caller
        frame = frame.f_back
    for model in models.values():
        for kind in ("train", "test", "predict"):
            if getattr(model, f"{kind}_function", None) is not None:
                getattr(model, f"make_{kind}_function")(force=True)


# -- global random state and settings ------------------------------------------------------------------------
# The public set_random_seed sets the seeds. There is no public way to read or restore them.


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
# Without these two functions, the first step makes metrics and slots while it is traced, and is then traced
# twice.


def build_metrics(model, batch):
    """Make the metrics of a Keras 3 model, as ``fit`` does first. Keras 2 has no such function."""
    if hasattr(model, "_symbolic_build"):
        model._symbolic_build(data_batch=keras.utils.unpack_x_y_sample_weight(batch))


def make_legacy_slots(optimizer, variables):
    """Make the slots of an optimizer of the kind before Keras 2.11. Newer ones have a public ``build``."""
    optimizer._create_all_weights(variables)


# -- seeds of layers ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def layer_seeds_kept(model):
    """Restore the seeds that Keras 2 counts up in Python each time it traces a seeded layer."""
    modules = model.submodules if STACK == "addons" else ()
    generators = [m._random_generator for m in modules if getattr(m, "_random_generator", None) is not None]
    before = [(generator, generator._seed) for generator in generators]
    try:
        yield
    finally:
        for generator, seed in before:
            generator._seed = seed


# -- layers, and what a model was given ---------------------------------------------------------------------


def flat_layers(layer):
    """A layer and all layers inside it. No public function finds the layers inside a wrapper."""
    return list(layer._flatten_layers())


def second_layer(layer):
    """Make a second layer object for another net: it shares all state, but has no place in the first net.

    A clone function of ``keras.models.clone_model`` may return the layer itself. But then the layer has two
    places, and with Keras 2 its ``output`` raises an error.
    """
    second = object.__new__(type(layer))
    vars(second).update(vars(layer))
    second._inbound_nodes, second._outbound_nodes = [], []
    return second


def compile_arguments(model):
    """The arguments of `compile`, unchanged. The public way gives only the names of functions."""
    kept = getattr(model, "_compile_config", None)
    return dict(kept.config) if hasattr(kept, "config") else model.get_compile_config()


def count_steps(net, kind, steps):
    """Count steps of "train" or "test" as Keras 2 does for its callbacks; Keras 3 has no such counter."""
    counter = getattr(net, f"_{kind}_counter", None)
    if counter is not None:
        counter.assign_add(steps)
