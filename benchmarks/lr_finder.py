"""What the learning-rate finder costs, beside plain training and beside the callback of many a tutorial.

    python benchmarks/lr_finder.py [--rounds 3] [--net conv|dense] [--num-iter 200]

Three ways to take the same number of steps with a fresh net take turns. A number is the median, in
seconds of CPU time, with tracing and compiling:

- *callback*: Keras' own ``fit`` with the callback of many a tutorial, which sets the rate after every batch;
- *plain*: the course's ``fit``, which nobody watches;
- *lr_find*: the course's finder.
"""

import argparse
import gc
import statistics
import time

import keras
import numpy as np
from side_by_side import BATCH, NETS, print_machine

from course_utils.lr_finder import lr_find
from course_utils.stack import STACK
from course_utils.training import fit

START, END = 1e-7, 1e-2  # no divergence: every way takes all its steps


class RaiseRate(keras.callbacks.Callback):
    """The classic range test."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.rates, self.losses = [], []

    def on_train_batch_end(self, batch, logs=None):
        rate = self.model.optimizer.learning_rate
        self.rates.append(float(rate.numpy()))
        self.losses.append(logs["loss"])
        rate.assign(rate * self.factor)


def callback(make_net, x, y, steps):
    net = compiled(make_net)
    weights = net.get_weights()
    net.optimizer.learning_rate = START
    raised = RaiseRate((END / START) ** (1 / (steps - 1)))
    net.fit(x, y, batch_size=BATCH, verbose=0, callbacks=[raised])
    net.set_weights(weights)


def plain(make_net, x, y, steps):
    fit(compiled(make_net), x, y, batch_size=BATCH, verbose=0)


def finder(make_net, x, y, steps):
    result = lr_find(compiled(make_net), x, y, batch_size=BATCH, num_iter=steps, start_lr=START, end_lr=END)
    assert len(result.losses) == steps


WAYS = {"callback": callback, "plain": plain, "lr_find": finder}


def compiled(make_net):
    keras.backend.clear_session()
    keras.utils.set_random_seed(42)
    net = make_net()
    net.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return net


def cpu_seconds(way, *args):
    gc.collect()  # what the net before left behind is not this one's cost
    begin = time.process_time()
    way(*args)
    return time.process_time() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns (default 3)")
    parser.add_argument("--net", choices=NETS, help="only this one")
    parser.add_argument("--num-iter", type=int, default=200, help="steps (default 200)")
    options = parser.parse_args()
    print_machine(STACK)
    print(
        f"\n{f'CPU s, {options.num_iter} steps':<20}" + "".join(f"{way:>10}" for way in WAYS) + "   ÷ plain"
    )
    for name in [options.net] if options.net else NETS:
        make_net = NETS[name]
        rng = np.random.default_rng(0)
        x = rng.random((BATCH * options.num_iter, *make_net().input_shape[1:]), dtype="float32")
        y = np.eye(10, dtype="float32")[rng.integers(0, 10, len(x))]
        taken = {way: [] for way in WAYS}
        for turn in range(options.rounds + 1):
            for way, run in WAYS.items():
                took = cpu_seconds(run, make_net, x, y, options.num_iter)
                if turn:  # the first meets a cold machine
                    taken[way].append(took)
        medians = {way: statistics.median(times) for way, times in taken.items()}
        ratio = medians["lr_find"] / medians["plain"]
        print(f"{name:<20}" + "".join(f"{value:>10.2f}" for value in medians.values()) + f"{ratio:>10.2f}")


if __name__ == "__main__":
    main()
