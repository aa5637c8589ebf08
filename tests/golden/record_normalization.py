"""Record what TensorFlow Addons' GroupNormalization and InstanceNormalization compute.

    python tests/golden/record_normalization.py

writes ``normalization.npz`` beside this file, on the addons stack only. ``tests/test_addons_parity.py``
replays the same cases on both stacks and compares.

Each case is one layer: inputs, γ, β and the gradient that comes from above go in; the outputs and the
gradients for inputs, γ and β come out. Axes below -1 with one channel per group are left out, for there
Addons takes the wrong axes and the course deliberately does not.
"""

from __future__ import annotations

import pathlib
import sys
import zlib

import numpy as np
import tensorflow as tf

RECORD = pathlib.Path(__file__).with_name("normalization.npz")

SHAPES = {
    "vectors": (5, 12),
    "sequences": (4, 7, 6),
    "images": (3, 6, 5, 8),
    "volumes": (2, 4, 3, 5, 6),
}
# Shape, axis, groups (None: InstanceNormalization), center, scale.
CASES = [
    ("vectors", -1, 4, True, True),
    ("vectors", 1, 1, True, True),
    ("vectors", 1, 12, True, True),
    ("vectors", -1, None, True, True),
    ("sequences", -1, 3, True, True),
    ("sequences", 2, 1, True, True),
    ("sequences", 1, 7, True, True),
    ("sequences", -2, 1, True, True),
    ("sequences", -1, None, True, True),
    ("sequences", 1, None, True, True),
    *(("images", -1, 4, center, scale) for center in (True, False) for scale in (True, False)),
    *(("images", 3, None, center, scale) for center in (True, False) for scale in (True, False)),
    ("images", 3, 8, True, True),
    ("images", 3, -1, True, True),
    ("images", 3, 1, True, True),
    ("images", 1, 3, True, True),
    ("images", 1, None, True, True),
    ("images", -3, 2, True, True),
    ("images", 2, 5, True, True),
    ("volumes", -1, 3, True, True),
    ("volumes", 2, 3, True, True),
    ("volumes", -4, 2, True, True),
    ("volumes", 4, None, True, True),
    ("volumes", 1, None, True, False),
]


def case_id(shape, axis, groups, center, scale):
    kind = "instance" if groups is None else f"groups={groups}"
    return f"{shape}-axis={axis}-{kind}-center={center}-scale={scale}"


def make_inputs(shape_name):
    """Return inputs, γ, β and the gradient from above, drawn by NumPy alone."""
    shape = SHAPES[shape_name]
    rng = np.random.default_rng(zlib.crc32(shape_name.encode()))
    draw = {
        # Every channel with a mean and a spread of its own, so that it matters which ones share theirs.
        "x": rng.normal(1.0, 2.0, shape) * rng.uniform(0.3, 2.0, shape[1:]) + rng.normal(0, 1, shape[1:]),
        "above": rng.normal(0.0, 1.0, shape),
        # As many as the longest axis has channels; a case takes the first ones.
        "gamma": rng.normal(1.0, 0.5, max(shape)),
        "beta": rng.normal(0.0, 0.5, max(shape)),
    }
    return {name: value.astype("float32") for name, value in draw.items()}


def replay(source, shape_name, axis, groups, center, scale, inputs):
    """Return what a layer of a module does with the inputs of one case, as arrays by name."""
    options = {"axis": axis, "center": center, "scale": scale}
    if groups is None:
        layer = source.InstanceNormalization(**options)
    else:
        layer = source.GroupNormalization(groups=groups, **options)
    layer.build(SHAPES[shape_name])
    channels = SHAPES[shape_name][axis]
    variables = {name: getattr(layer, name) for name in ("gamma", "beta") if getattr(layer, name) is not None}
    for name, variable in variables.items():
        variable.assign(inputs[name][:channels])
    x = tf.constant(inputs["x"])
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x)
    watched = [x, *variables.values()]
    gradients = tape.gradient(outputs, watched, output_gradients=tf.constant(inputs["above"]))
    return {
        "output": outputs.numpy(),
        **{f"gradient_{name}": g.numpy() for name, g in zip(["x", *variables], gradients, strict=True)},
    }


def main():
    from recording import import_addons, record

    tfa = import_addons()
    what = "tfa.layers.GroupNormalization and InstanceNormalization: outputs, gradients for x, gamma and beta"
    record(sys.modules[__name__], tfa.layers, tfa.__version__, what)


if __name__ == "__main__":
    main()
