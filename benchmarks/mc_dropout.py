"""What MC dropout costs: the loop of the chapter against the course's ``mc_predict``.

    python benchmarks/mc_dropout.py [--rounds 5] [--samples 100] [--images 10000] [--batch-size 2000]

The net is the chapter's 300-100-10 with SELU, and dropout 0.2 before each Dense layer: once ``Dropout``, once
``AlphaDropout``. The two take turns, so that another program on the machine slows both; a number is the
median over the turns, with everything a user waits for: ours also builds and traces the net. Beside the
seconds that pass stands the time that the processors worked, which other programs disturb less. *The floor*
is the matrix products alone, which no way can do without.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import pairwise

import keras
import numpy as np
import tensorflow as tf
from side_by_side import print_machine

from course_utils.mc_dropout import mc_predict
from course_utils.stack import STACK

UNITS = (784, 300, 100, 10)


def net(kind):
    layers, dropout = keras.layers, getattr(keras.layers, kind)
    dense = [layers.Dense(units, "selu", kernel_initializer="lecun_normal") for units in UNITS[1:-1]]
    dense.append(layers.Dense(UNITS[-1], "softmax"))
    pairs = [layer for one in dense for layer in (dropout(0.2), one)]
    return keras.Sequential([keras.Input((28, 28)), layers.Flatten(), *pairs])


def ways(kind, x, samples, batch_size):
    """The chapter's way and ours, each with the mean and the spread; and the floor."""
    model = net(kind)
    kernels = [tf.random.uniform(shape) for shape in pairwise(UNITS)]
    inputs = [tf.random.uniform((len(x), units)) for units in UNITS[:-1]]

    def loop():
        probabilities = np.stack([model(x, training=True) for _ in range(samples)])
        return probabilities.mean(axis=0), probabilities.std(axis=0)

    def ours():
        result = mc_predict(model, x, samples, batch_size, seed=42)
        return result.mean, result.std

    def products():
        for _ in range(samples):
            for value, kernel in zip(inputs, kernels, strict=True):
                tf.matmul(value, kernel).numpy()

    return {"model(x, training=True)": loop, "mc_predict": ours, "floor: matrix products": products}


def measure(functions, rounds):
    """Run all in turns, once to warm up; give the medians of the seconds and of the processors' seconds."""
    seconds = {name: [] for name in functions}
    for round_ in range(rounds + 1):
        for name, function in functions.items():
            wall, worked = time.perf_counter(), time.process_time()
            function()
            if round_:
                seconds[name].append((time.perf_counter() - wall, time.process_time() - worked))
    return {name: [statistics.median(one) for one in zip(*v, strict=True)] for name, v in seconds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns (default 5)")
    parser.add_argument("--samples", type=int, default=100, help="predictions per image (default 100)")
    parser.add_argument("--images", type=int, default=10_000, help="images (default 10,000)")
    parser.add_argument("--batch-size", type=int, default=2000, help="of mc_predict")
    options = parser.parse_args()

    print_machine(STACK, options.batch_size)
    print(f"{options.samples} samples of {options.images} images, median of {options.rounds} turns")
    x = np.random.default_rng(0).random((options.images, 28, 28), dtype="float32")
    for kind in ("Dropout", "AlphaDropout"):
        medians = measure(ways(kind, x, options.samples, options.batch_size), options.rounds)
        wall, worked = medians["mc_predict"]
        print(f"\n{kind:<26}{'seconds':>9}{'÷ ours':>8}{'worked':>9}{'÷ ours':>8}")
        for name, (a, b) in medians.items():
            print(f"{name:<26}{a:>9.2f}{a / wall:>8.2f}{b:>9.2f}{b / worked:>8.2f}")


if __name__ == "__main__":
    main()
