"""What MC dropout costs: the loop of the chapter, ``predict`` in a loop, and the course's ``mc_predict``.

    python benchmarks/mc_dropout.py [--rounds 5] [--samples 100] [--images 10000] [--batch-size 5000]

The net is the chapter's 300-100-10 with SELU, and dropout 0.2 before each Dense layer: once ``Dropout``, once
``AlphaDropout``. The ways take turns, so that another program on the machine slows all of them; a number is
the median over the turns, with everything a user waits for: ours also copies, traces and compiles the net.
Beside the seconds that pass stands the time that the processors worked, which other programs disturb less.

*The floor* is what no way can do without: the matrix products alone, and the random numbers alone (sixteen
bits for each unit, as ours draws them; and one 32-bit number for each, as Keras does).

*Memory* is how far the process grew while the way ran (Linux only). Takes ten minutes or more; a slow machine
is not an error, so the exit code says nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from side_by_side import print_machine

from course_utils import mc_dropout
from course_utils.stack import STACK

UNITS = (784, 300, 100, 10)


def net(kind):
    layers, dropout = keras.layers, getattr(keras.layers, kind)
    dense = [layers.Dense(units, "selu", kernel_initializer="lecun_normal") for units in UNITS[1:-1]]
    dense.append(layers.Dense(UNITS[-1], "softmax"))
    pairs = [layer for one in dense for layer in (dropout(0.2), one)]
    return keras.Sequential([keras.Input((28, 28)), layers.Flatten(), *pairs])


def ways(kind, x, samples, batch_size):
    """The chapter's way, its neighbour, and ours; each gives the mean and the spread."""
    model = net(kind)
    form = mc_dropout.mc_model(model)

    def loop():
        probabilities = np.stack([model(x, training=True) for _ in range(samples)])
        return probabilities.mean(axis=0), probabilities.std(axis=0)

    def predict():
        probabilities = np.stack([form.predict(x, batch_size=batch_size, verbose=0) for _ in range(samples)])
        return probabilities.mean(axis=0), probabilities.std(axis=0)

    def ours():
        result = mc_dropout.mc_predict(model, x, samples, batch_size, seed=42)
        return result.mean, result.std

    return {"model(x, training=True)": loop, "mc_model(m).predict(x)": predict, "mc_predict": ours}


def floors(images, samples, batch_size):
    """The parts that every way needs, alone."""
    kernels = [tf.random.uniform(shape) for shape in pairwise(UNITS)]
    inputs = [tf.random.uniform((images, units)) for units in UNITS[:-1]]
    draws = images * sum(UNITS[:-1])

    def products():
        for _ in range(samples):
            for value, kernel in zip(inputs, kernels, strict=True):
                tf.matmul(value, kernel).numpy()

    @tf.function(jit_compile=True)
    def drawn(key, first, count):
        draws = mc_dropout._Draws(count, key, first, sum(UNITS[:-1]) // 4)
        return [draws.bits(units) for units in UNITS[:-1]]

    def bits():
        for sample in range(samples):
            for first in range(0, images, batch_size):
                key = tf.constant(mc_dropout._key(42, sample))
                drawn(key, tf.constant(first, tf.int64), min(batch_size, images - first))[-1].numpy()

    def uniforms():
        for _ in range(samples):
            tf.random.uniform((draws,)).numpy()

    return {
        "floor: matrix products": products,
        "floor: our random bits": bits,
        "       (Keras' random numbers)": uniforms,
    }


def grown(function):
    """How many megabytes the process grew at most while a function ran; None where that is not known."""
    refs, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")

    def field(name):
        line = next(line for line in status.read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) / 1024

    try:
        refs.write_text("5")  # forget the highest value so far
        before = field("VmRSS")
    except OSError:
        function()
        return None
    function()
    return field("VmHWM") - before


def measure(functions, rounds):
    """Run all in turns; the first turn is for the memory, and meets a cold machine."""
    memory = {name: grown(function) for name, function in functions.items()}
    seconds = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            wall, worked = time.perf_counter(), time.process_time()
            function()
            seconds[name].append((time.perf_counter() - wall, time.process_time() - worked))
    return memory, {
        name: [statistics.median(one) for one in zip(*v, strict=True)] for name, v in seconds.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns (default 5)")
    parser.add_argument("--samples", type=int, default=100, help="predictions per image (default 100)")
    parser.add_argument("--images", type=int, default=10_000, help="images (default 10,000)")
    parser.add_argument("--batch-size", type=int, default=5000, help="of predict and mc_predict")
    options = parser.parse_args()

    print_machine(STACK, options.batch_size)
    print(f"{options.samples} samples of {options.images} images, median of {options.rounds} turns")
    x = np.random.default_rng(0).random((options.images, 28, 28), dtype="float32")
    floor = floors(options.images, options.samples, options.batch_size)
    for kind in ("Dropout", "AlphaDropout"):
        functions = ways(kind, x, options.samples, options.batch_size) | floor
        memory, medians = measure(functions, options.rounds)
        wall, worked = medians["mc_predict"]
        print(f"\n{kind:<32}{'seconds':>9}{'÷ ours':>8}{'worked':>9}{'÷ ours':>8}{'MB':>8}")
        for name, (a, b) in medians.items():
            grew = "" if memory[name] is None else f"{memory[name]:.0f}"
            print(f"{name:<32}{a:>9.2f}{a / wall:>8.2f}{b:>9.2f}{b / worked:>8.2f}{grew:>8}")


if __name__ == "__main__":
    main()
