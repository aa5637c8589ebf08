"""Timing training steps fairly: the nets take turns, the numbers are medians.

What the benchmarks here share. On a machine that does other things as well, two timings taken one after the
other compare the machine's moods; taken in turns, both meet the same ones.
"""

from __future__ import annotations

import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # as in the lessons, see course_utils/lesson.py

import keras
import numpy as np
import tensorflow as tf

BATCH = 32


def conv_net(wrap=lambda layer: layer):
    """The ConvNet of source S1, for CIFAR-10; `wrap` is applied to each layer that has weights."""
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


def dense_net(wrap=lambda layer: layer):
    """The net 300-100-10 of source S5, for Fashion-MNIST."""
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


def compiled(model, optimizer="adam", steps_per_execution=50, xla=False):
    """Compile a classifier as the lessons do; returns what `seconds_per_step` takes."""
    model.compile(
        optimizer=optimizer,
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
        jit_compile=xla,
    )
    return model, steps_per_execution


class Clock(keras.callbacks.Callback):
    """Notes the time at the end of every execution."""

    def on_train_begin(self, logs=None):
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())


def seconds_per_step(models, rounds, steps=200, batch=BATCH):
    """Train compiled models in turns on random data.

    `models` maps a name to a model, or to a pair of a model and its steps per execution. Returns, for each,
    the seconds per step of every execution after the first of a turn.
    """
    models = {name: model if isinstance(model, tuple) else (model, 1) for name, model in models.items()}
    shape = next(iter(models.values()))[0].input_shape[1:]
    rng = np.random.default_rng(0)
    x = rng.random((batch * steps, *shape), dtype="float32")
    y = np.eye(10, dtype="float32")[rng.integers(0, 10, len(x))]
    seconds = {name: [] for name in models}
    for turn in range(rounds + 1):
        for name, (model, group) in models.items():
            clock = Clock()
            model.fit(x, y, batch_size=batch, verbose=0, callbacks=[clock])
            if turn:  # the first one traces
                seconds[name] += list(np.diff(clock.ends) / group)
    return seconds


def cpu_seconds_in_turns(ways, rounds):
    """Call functions in turns; the CPU seconds of each call, without the first round, which builds."""
    seconds = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, run in ways.items():
            started = time.process_time()
            run()
            if turn:
                seconds[name].append(time.process_time() - started)
    return seconds


def print_machine(stack, batch=BATCH):
    """Say what the numbers were measured with."""
    print(
        f"stack {stack}: Python {platform.python_version()}, TensorFlow {tf.__version__}, Keras "
        f"{keras.__version__}, {os.cpu_count()} CPUs; batch {batch}"
    )


def print_table(title, seconds, baseline):
    """Print the median and quartiles of each variant, and its ratio to the baseline's median."""
    reference = statistics.median(seconds[baseline])
    print(f"\n{title:<28}{'ms per step':>12}{'quartiles':>16}{f'× {baseline}':>24}")
    for variant, values in seconds.items():
        low, middle, high = (1000 * q for q in statistics.quantiles(values, n=4))
        quartiles = f"{low:.2f}–{high:.2f}"
        print(f"{variant:<28}{middle:>12.2f}{quartiles:>16}{middle / 1000 / reference:>24.2f}")
