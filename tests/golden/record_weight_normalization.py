"""Record what TensorFlow Addons' WeightNormalization computes, for stacks on which it no longer runs.

    python tests/golden/record_weight_normalization.py

writes ``weight_normalization.npz`` beside this file. It runs on the addons stack only (Python 3.10 or 3.11
with TensorFlow Addons 0.23) and refuses elsewhere: a record made with anything else would prove nothing.
``tests/test_addons_parity.py`` replays the same cases on both stacks and compares.

Each case is one wrapped layer: its initial weights and five batches go in; the output of the first call, the
gradients of the first training step and the weights after five steps come out. Transposed convolutions are
left out, for there Addons normalises per input channel and the course deliberately does not.
"""

from __future__ import annotations

import pathlib
import sys
import zlib

import keras
import numpy as np
import tensorflow as tf

RECORD = pathlib.Path(__file__).with_name("weight_normalization.npz")
STEPS = 5
BATCH = 6

LAYERS = {
    "dense": (lambda: keras.layers.Dense(4, activation="tanh"), (5,)),
    "dense_no_bias": (lambda: keras.layers.Dense(4, use_bias=False), (5,)),
    "dense_sequence": (lambda: keras.layers.Dense(3, activation="relu"), (4, 5)),
    "conv1d": (lambda: keras.layers.Conv1D(3, 3, padding="causal", activation="tanh"), (7, 2)),
    "conv2d": (
        lambda: keras.layers.Conv2D(4, (3, 2), strides=2, padding="same", activation="relu"),
        (7, 6, 3),
    ),
    "conv2d_valid": (lambda: keras.layers.Conv2D(3, 3, use_bias=False, dilation_rate=2), (7, 7, 2)),
    "conv3d": (lambda: keras.layers.Conv3D(3, 2, activation="tanh"), (4, 3, 4, 2)),
    "simple_rnn": (lambda: keras.layers.SimpleRNN(3), (4, 2)),
    "lstm": (lambda: keras.layers.LSTM(3, return_sequences=True), (4, 2)),
    "gru": (lambda: keras.layers.GRU(3), (4, 2)),
}
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05),
    "adam": lambda: keras.optimizers.Adam(0.01),
}
CASES = [
    (layer, data_init, optimizer)
    for layer in LAYERS
    for data_init in (True, False)
    for optimizer in OPTIMIZERS
    if optimizer == "sgd" or layer in ("dense", "conv2d", "lstm")
]


def case_id(layer, data_init, optimizer):
    return f"{layer}-data_init={data_init}-{optimizer}"


def make_inputs(layer_name):
    """Return the batches, the targets and the layer's initial weights, drawn by NumPy alone.

    Not by Keras: initializers with one seed differ between its versions.
    """
    make_layer, shape = LAYERS[layer_name]
    rng = np.random.default_rng(zlib.crc32(layer_name.encode()))
    layer = make_layer()
    layer.build((None, *shape))
    # Biases away from zero, so that the moments show whether they are part of them.
    weights = [rng.normal(0.1, 0.4, tuple(w.shape)).astype("float32") for w in layer.weights]
    x = rng.normal(0.3, 1.0, (STEPS, BATCH, *shape)).astype("float32")
    output_shape = tuple(layer.compute_output_shape((BATCH, *shape)))
    y = rng.normal(0.0, 1.0, (STEPS, *output_shape)).astype("float32")
    return {"x": x, "y": y, **{f"initial_{i}": w for i, w in enumerate(weights)}}


def replay(source, layer_name, data_init, optimizer_name, inputs):
    """Return what the wrapper of a module does with the inputs of one case, as arrays by name."""
    make_layer, shape = LAYERS[layer_name]
    layer = make_layer()
    # Weights first, wrapper second: Addons initialises from a copy it takes of them when it is built.
    layer.build((None, *shape))
    layer.set_weights([inputs[f"initial_{i}"] for i in range(len(layer.weights))])
    wrapper = source.WeightNormalization(layer, data_init=data_init)
    wrapper.build((None, *shape))
    # Taken before the first call, in which Addons puts tensors where the layer had its variables.
    variables = [wrapper.g, *layer.trainable_weights]
    optimizer = OPTIMIZERS[optimizer_name]()

    outputs = {"first_output": wrapper(tf.constant(inputs["x"][0])).numpy()}
    outputs.update({f"settled_{i}": v.numpy() for i, v in enumerate(variables)})
    for step in range(STEPS):
        with tf.GradientTape() as tape:
            error = wrapper(tf.constant(inputs["x"][step])) - inputs["y"][step]
            loss = tf.reduce_mean(error**2)
        gradients = tape.gradient(loss, variables)
        if step == 0:
            outputs.update({f"gradient_{i}": g.numpy() for i, g in enumerate(gradients)})
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
    outputs.update({f"trained_{i}": v.numpy() for i, v in enumerate(variables)})
    return outputs


def main():
    from recording import import_addons, record

    tfa = import_addons()
    what = "tfa.layers.WeightNormalization: settled weights, first output, gradients, weights after 5 steps"
    record(sys.modules[__name__], tfa.layers, tfa.__version__, what)


if __name__ == "__main__":
    main()
