"""Record what TensorFlow Addons' ConditionalGradient computes, for stacks on which it no longer runs.

    python tests/golden/record_conditional_gradient.py

writes ``conditional_gradient.npz`` beside this file, on the addons stack only.
``tests/test_addons_parity.py`` replays the same cases on both stacks and compares.

Each case is an optimizer and some variables: their initial values and twenty gradients each go in; their
values after the first and the last step come out. A learning rate and a λ that change are functions without
arguments here, for with schedules Addons fails. Left out is what the course deliberately does otherwise:
gradients of zero, and with the nuclear norm kernels of more than two axes, at which Addons fails too.
"""

from __future__ import annotations

import pathlib
import sys
import zlib

import numpy as np
import tensorflow as tf

RECORD = pathlib.Path(__file__).with_name("conditional_gradient.npz")
STEPS = 20

SHAPES = {
    "matrices": [(), (5,), (1,), (7, 4), (3, 6), (4, 4), (1, 5), (5, 1)],
    "kernels": [(3, 2, 4), (2, 3, 2, 5)],
    "embedding": [(9, 3)],
}
LOOKED_UP = 5  # rows of the embedding per step, some of them twice

RATES = {
    "constant": (lambda step: 0.9, lambda step: 3.0),
    "changing": (lambda step: 1 - 0.5 / (2 + step), lambda step: 4.0 / (1 + step)),
}
CASES = [
    (variables, ord, rates)
    for variables in SHAPES
    for ord in ("fro", "nuclear")
    for rates in RATES
    if not (variables == "kernels" and ord == "nuclear")
]


def case_id(variables, ord, rates):
    return f"{variables}-{ord}-{rates}"


def make_inputs(variables):
    """Return initial values and gradients, drawn by NumPy alone."""
    rng = np.random.default_rng(zlib.crc32(variables.encode()))
    inputs = {}
    for i, shape in enumerate(SHAPES[variables]):
        inputs[f"initial_{i}"] = np.array(rng.normal(0, 1, shape), "float32")
        rows = (LOOKED_UP, *shape[1:]) if variables == "embedding" else shape
        # Lengths of many orders of magnitude, for they should not matter.
        lengths = 10.0 ** rng.uniform(-3, 3, (STEPS, *[1] * len(rows)))
        inputs[f"gradients_{i}"] = (lengths * rng.normal(0, 1, (STEPS, *rows))).astype("float32")
    if variables == "embedding":
        inputs["rows"] = rng.integers(0, SHAPES[variables][0][0], (STEPS, LOOKED_UP))
        inputs["rows"][:, 1] = inputs["rows"][:, 0]
    return inputs


def replay(source, variables, ord, rates, inputs):
    """Return where a module's optimizer takes the variables of one case, as arrays by name."""
    step = 0
    learning_rate, lambda_ = RATES[rates]
    if rates == "constant":
        optimizer = source.ConditionalGradient(learning_rate(0), lambda_(0), ord=ord)
    else:
        optimizer = source.ConditionalGradient(lambda: learning_rate(step), lambda: lambda_(step), ord=ord)
    weights = [tf.Variable(inputs[f"initial_{i}"]) for i in range(len(SHAPES[variables]))]
    outputs = {}
    for step in range(STEPS):
        gradients = [tf.constant(inputs[f"gradients_{i}"][step]) for i in range(len(weights))]
        if variables == "embedding":
            rows = tf.constant(inputs["rows"][step])
            gradients = [
                tf.IndexedSlices(g, rows, tf.shape(w)) for g, w in zip(gradients, weights, strict=True)
            ]
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        if step in (0, STEPS - 1):
            outputs.update({f"step_{step + 1}_variable_{i}": w.numpy() for i, w in enumerate(weights)})
    return outputs


def main():
    from recording import import_addons, record

    tfa = import_addons()
    what = "tfa.optimizers.ConditionalGradient: variables after 1 and after 20 steps"
    record(sys.modules[__name__], tfa.optimizers, tfa.__version__, what)


if __name__ == "__main__":
    main()
