"""Every private name of Keras and TensorFlow that the course uses, and the public way where one is as good.

Private names may change with any release. So they stand here and nowhere else, and
``tests/test_keras_private.py`` says what broke. A scheduled job of CI tries the newest releases.
"""


def flat_layers(layer):
    """A layer and all layers inside it; there is no public way to those inside a wrapper."""
    return list(layer._flatten_layers())


def second_layer(layer):
    """The same layer once more, to stand in another net: it shares all state, and forgets where it stands.

    ``keras.models.clone_model`` may be given the layer itself, but then the layer has two places, and with
    Keras 2 its ``output`` raises an error from then on.
    """
    second = object.__new__(type(layer))
    vars(second).update(vars(layer))
    second._inbound_nodes, second._outbound_nodes = [], []
    return second


def compile_arguments(model):
    """What `compile` was given, as it was given; the public way has only the names of functions."""
    kept = getattr(model, "_compile_config", None)
    return dict(kept.config) if hasattr(kept, "config") else model.get_compile_config()
