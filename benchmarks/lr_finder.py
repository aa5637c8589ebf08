"""What the learning-rate finder costs, beside plain training and beside the classic callback.

    python benchmarks/lr_finder.py [--rounds 5] [--net conv|dense] [--num-iter 200]

Three ways to take the same number of steps take turns, so that another program on the machine slows all of
them: ``fit`` and nothing else; ``fit`` with the callback of many a tutorial, which sets the rate after every
batch and undoes the running mean of the loss; and the course's ``lr_find``. A number is the median over the
turns. Two are given:

- *first call*: what a user waits for: a fresh net, tracing and compiling included, twice in each turn;
- *per step*: what a longer run costs beyond that, from the difference between ``--num-iter`` steps and four
  times as many.

All nets are compiled alike, with one step per execution (the callback needs that), the dense one also with
XLA, and once more as the lessons do, with 50 steps per execution (where the callback would see every fiftieth
loss, and is left out). Takes some fifteen minutes; a slow machine is not an error, so the exit code says
nothing.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time

import keras
import numpy as np
from side_by_side import BATCH, NETS, print_machine

from course_utils.stack import STACK
from course_utils.lr_finder import lr_find

START, END = 1e-7, 1e-2  # no divergence: every way takes all its steps


class RaiseRate(keras.callbacks.Callback):
    """The classic range test."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.rates, self.losses, self.total = [], [], 0.0

    def on_train_batch_end(self, batch, logs=None):
        rate = self.model.optimizer.learning_rate
        mean = logs["loss"]
        self.rates.append(float(rate.numpy()))
        self.losses.append(mean * (batch + 1) - self.total)
        self.total = mean * (batch + 1)
        rate.assign(rate * self.factor)


def plain(model, x, y, steps):
    model.fit(x[: steps * BATCH], y[: steps * BATCH], batch_size=BATCH, verbose=0)


def callback(model, x, y, steps):
    weights = model.get_weights()
    model.optimizer.learning_rate = START
    raised = RaiseRate((END / START) ** (1 / (steps - 1)))
    model.fit(x[: steps * BATCH], y[: steps * BATCH], batch_size=BATCH, verbose=0, callbacks=[raised])
    model.set_weights(weights)


def finder(model, x, y, steps):
    result = lr_find(model, x, y, batch_size=BATCH, num_iter=steps, start_lr=START, end_lr=END)
    assert len(result.losses) == steps


def fresh(make_net, settings):
    keras.backend.clear_session()
    keras.utils.set_random_seed(42)
    model = make_net()
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"], **settings)
    return model


def seconds(way, make_net, settings, x, y, steps):
    model = fresh(make_net, settings)
    gc.collect()  # what the net before left behind is not this one's cost
    begin = time.perf_counter()
    way(model, x, y, steps)
    return time.perf_counter() - begin


def measure(title, ways, make_net, settings, rounds, steps):
    """Time each way in turns, on few steps and on four times as many, and print the table."""
    shape = make_net().input_shape[1:]
    rng = np.random.default_rng(0)
    x = rng.random((BATCH * 4 * steps, *shape), dtype="float32")
    y = np.eye(10, dtype="float32")[rng.integers(0, 10, len(x))]
    taken = {(way, count): [] for way in ways for count in (steps, 4 * steps)}
    for turn in range(rounds + 1):
        for count in (steps, steps, 4 * steps):
            for way in ways:
                took = seconds(way, make_net, settings, x, y, count)
                if turn:  # the first meets a cold machine
                    taken[way, count].append(took)
    medians = {key: statistics.median(values) for key, values in taken.items()}
    first = {way: medians[way, steps] for way in ways}
    per_step = {way: (medians[way, 4 * steps] - first[way]) / (3 * steps) for way in ways}
    print(f"\n{title:<34}{f'first call, {steps} steps':>24}{'× plain':>9}{'ms per step':>14}{'× plain':>9}")
    for way in ways:
        wait, pace = first[way] / first[plain], per_step[way] / per_step[plain]
        print(f"{way.__name__:<34}{first[way]:>22.2f} s{wait:>9.2f}{1000 * per_step[way]:>14.3f}{pace:>9.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns (default 5)")
    parser.add_argument("--net", choices=NETS, help="only this one")
    parser.add_argument("--num-iter", type=int, default=200, help="steps of a first call (default 200)")
    options = parser.parse_args()

    print_machine(STACK)
    cases = [
        ("conv", False, 1),
        ("conv", False, 50),
        ("dense", False, 1),
        ("dense", True, 1),
        ("dense", True, 50),
    ]
    for net, xla, group in cases:
        if options.net in (None, net):
            ways = (plain, callback, finder) if group == 1 else (plain, finder)
            title = f"{net}, {'XLA' if xla else 'no XLA'}, {group} per execution"
            settings = {"jit_compile": xla, "steps_per_execution": group}
            measure(title, ways, NETS[net], settings, options.rounds, options.num_iter)


if __name__ == "__main__":
    main()
