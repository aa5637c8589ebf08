"""What a training step costs with ``ConditionalGradient``, beside plain SGD.

    python benchmarks/conditional_gradient.py [--rounds 16]

Times the net 784-64-64-10 of source S4 with SGD, with the course's ``ConditionalGradient`` in both norms and,
where TensorFlow Addons is installed, with Addons' own, side by side in one run on random data. The nets take
turns; a number is the median over all turns. Compiled as the lessons do, with ``FAST``, and without XLA as
well. Addons' own nuclear norm is left out under XLA, where its singular value decomposition takes seconds per
step. A slow machine is not an error, so the exit code says nothing about the numbers.
"""

from __future__ import annotations

import argparse

import keras
from side_by_side import compiled, print_machine, print_table, seconds_per_step

from course_utils.addons import ConditionalGradient
from course_utils.stack import STACK

BATCH = 64


def optimizers(xla):
    """Name and maker of each optimizer; the settings are those of S4."""
    yield "SGD", lambda: keras.optimizers.SGD(0.01)
    yield "course_utils.addons, fro", lambda: ConditionalGradient(0.99949, 203.0)
    yield "course_utils.addons, nuclear", lambda: ConditionalGradient(0.99949, 203.0, ord="nuclear")
    if STACK == "addons":
        from tensorflow_addons.optimizers import ConditionalGradient as Addons

        yield "tfa.optimizers, fro", lambda: Addons(0.99949, 203.0)
        if not xla:
            yield "tfa.optimizers, nuclear", lambda: Addons(0.99949, 203.0, ord="nuclear")


def net():
    """The net of source S4, from the same seed each time."""
    keras.utils.set_random_seed(42)
    return keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=16, help="turns per optimizer (default 16)")
    options = parser.parse_args()

    print_machine(STACK, BATCH)
    for xla in (True, False):
        models = {name: compiled(net(), make(), xla=xla) for name, make in optimizers(xla)}
        seconds = seconds_per_step(models, options.rounds, steps=400, batch=BATCH)
        print_table("XLA" if xla else "no XLA", seconds, "SGD")


if __name__ == "__main__":
    main()
