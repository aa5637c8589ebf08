"""What the normalization layers cost per training step.

    python benchmarks/normalization.py [--rounds 10]

Times the net of source S2 without a normalization layer and with each: Keras' batch, layer and group
normalization, the course's group and instance normalization and, where TensorFlow Addons is installed,
Addons' own, side by side in one run on random data. The nets take turns; a number is the median over all
turns. Compiled as the lessons do convolutional nets, with ``FAST_CONV``. A slow machine is not an error, so
the exit code says nothing about the numbers.
"""

from __future__ import annotations

import argparse

import keras
from side_by_side import compiled, print_machine, print_table, seconds_per_step

from course_utils.addons import GroupNormalization, InstanceNormalization
from course_utils.stack import STACK

layers = keras.layers


def normalizations():
    """Name of each variant, and its layers."""
    yield "none", []
    yield "keras, batch", [layers.BatchNormalization()]
    yield "keras, layer", [layers.LayerNormalization(axis=[1, 2, 3])]
    yield "keras, 5 groups", [layers.GroupNormalization(5)]
    yield "course_utils, 5 groups", [GroupNormalization(5)]
    yield "course_utils, instance", [InstanceNormalization()]
    if STACK == "addons":
        import tensorflow_addons as tfa

        yield "tfa.layers, 5 groups", [tfa.layers.GroupNormalization(5)]
        yield "tfa.layers, instance", [tfa.layers.InstanceNormalization()]


def net(normalization):
    """The net of source S2, from the same seed each time."""
    keras.utils.set_random_seed(42)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(10, 3),
            *normalization,
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="turns per net (default 10)")
    options = parser.parse_args()

    print_machine(STACK)
    models = {name: compiled(net(normalization)) for name, normalization in normalizations()}
    print_table("no XLA", seconds_per_step(models, options.rounds), "none")


if __name__ == "__main__":
    main()
