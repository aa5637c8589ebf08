"""What weight normalization costs per training step.

    python benchmarks/weight_normalization.py [--rounds 12] [--net conv|dense|both]

Times a plain net, the same net with every weight layer wrapped in the course's ``WeightNormalization``, and,
where TensorFlow Addons is installed, in Addons' own, side by side in one run on random data. The nets take
turns, so that another program on the machine slows all of them; a number is the median over all turns. The
conv net is the ConvNet of source S1 (CIFAR-10 shapes), trained as the lesson does. Takes one to two minutes;
a slow machine is not an error, so the exit code says nothing about the numbers.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from course_utils.addons import STACK, WeightNormalization

BATCH = 32


def conv_net(wrap):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            wrap(layers.Conv2D(6, 5, activation="relu")),
            layers.MaxPooling2D(2, strides=2),
            wrap(layers.Conv2D(16, 5, activation="relu")),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            wrap(layers.Dense(120, activation="relu")),
            wrap(layers.Dense(84, activation="relu")),
            wrap(layers.Dense(10, activation="softmax")),
        ]
    )


def dense_net(wrap):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            wrap(layers.Dense(300, activation="relu")),
            wrap(layers.Dense(100, activation="relu")),
            wrap(layers.Dense(10, activation="softmax")),
        ]
    )


NETS = {"conv": conv_net, "dense": dense_net}


class Clock(keras.callbacks.Callback):
    """Notes the time at the end of every execution."""

    def on_train_begin(self, logs=None):
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())


def variants():
    yield "plain", lambda layer: layer
    yield "course_utils.addons", WeightNormalization
    if STACK == "addons":
        import tensorflow_addons as tfa

        yield "tfa.layers", tfa.layers.WeightNormalization


def measure(make_net, rounds, steps_per_execution, executions=4):
    """Return seconds per step, one list per variant."""
    models = {}
    for name, wrap in variants():
        keras.utils.set_random_seed(42)
        models[name] = make_net(wrap)
        models[name].compile(
            optimizer="adam",
            loss="categorical_crossentropy",
            metrics=["accuracy"],
            steps_per_execution=steps_per_execution,
            jit_compile=False,
        )
    shape = next(iter(models.values())).input_shape[1:]
    rng = np.random.default_rng(0)
    x = rng.random((BATCH * steps_per_execution * executions, *shape), dtype="float32")
    y = np.eye(10, dtype="float32")[rng.integers(0, 10, len(x))]

    seconds = {name: [] for name in models}
    for turn in range(rounds + 1):
        for name, model in models.items():
            clock = Clock()
            model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=[clock])
            if turn:  # the first one traces
                seconds[name] += list(np.diff(clock.ends) / steps_per_execution)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12, help="turns per net (default 12)")
    parser.add_argument("--net", choices=[*NETS, "both"], default="both")
    parser.add_argument(
        "--steps-per-execution", type=int, default=50, help="as the lessons compile (default 50)"
    )
    options = parser.parse_args()

    print(
        f"stack {STACK}: Python {platform.python_version()}, TensorFlow {tf.__version__}, Keras "
        f"{keras.__version__}, {os.cpu_count()} CPUs; batch {BATCH}, {options.steps_per_execution} steps "
        "per execution, no XLA"
    )
    for name in NETS if options.net == "both" else [options.net]:
        seconds = measure(NETS[name], options.rounds, options.steps_per_execution)
        plain = statistics.median(seconds["plain"])
        print(f"\n{name + ' net':<22}{'ms per step':>12}{'quartiles':>16}{'× plain':>10}")
        for variant, values in seconds.items():
            low, middle, high = (1000 * q for q in statistics.quantiles(values, n=4))
            print(f"{variant:<22}{middle:>12.2f}{f'{low:.2f}–{high:.2f}':>16}{middle / 1000 / plain:>10.2f}")


if __name__ == "__main__":
    main()
