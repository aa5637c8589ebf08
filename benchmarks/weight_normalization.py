"""What weight normalization costs per training step.

    python benchmarks/weight_normalization.py [--rounds 12] [--net conv|dense]

Times a plain net, the same net with every weight layer wrapped in the course's ``WeightNormalization``, and,
where TensorFlow Addons is installed, in Addons' own, side by side in one run on random data. The nets take
turns, so that another program on the machine slows all of them; a number is the median over all turns. The
conv net is the ConvNet of source S1 (CIFAR-10 shapes); the dense net, 300-100-10, is the hardest case: it has
many weights and does little with each. Both are compiled as the lessons do, with ``FAST_CONV`` and ``FAST``,
and the dense one without XLA as well. Takes two to three minutes; a slow machine is not an error, so the exit
code says nothing about the numbers.
"""

from __future__ import annotations

import argparse

import keras
from side_by_side import NETS, compiled, print_machine, print_table, seconds_per_step

from course_utils.addons import WeightNormalization
from course_utils.stack import STACK


def variants():
    yield "plain", lambda layer: layer
    yield "course_utils.addons", WeightNormalization
    if STACK == "addons":
        import tensorflow_addons as tfa

        yield "tfa.layers", tfa.layers.WeightNormalization


def all_variants(make_net, xla, steps_per_execution):
    """Each variant of a net, from the same seed."""
    models = {}
    for name, wrap in variants():
        keras.utils.set_random_seed(42)
        models[name] = compiled(make_net(wrap), steps_per_execution=steps_per_execution, xla=xla)
    return models


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12, help="turns per net (default 12)")
    parser.add_argument("--net", choices=NETS, help="only this one")
    parser.add_argument(
        "--steps-per-execution", type=int, default=50, help="as the lessons compile (default 50)"
    )
    options = parser.parse_args()

    print_machine(STACK)
    print(f"{options.steps_per_execution} steps per execution")
    for name, xla in [("conv", False), ("dense", True), ("dense", False)]:
        if options.net in (None, name):
            models = all_variants(NETS[name], xla, options.steps_per_execution)
            seconds = seconds_per_step(models, options.rounds, steps=4 * options.steps_per_execution)
            print_table(f"{name} net, {'XLA' if xla else 'no XLA'}", seconds, "plain")


if __name__ == "__main__":
    main()
