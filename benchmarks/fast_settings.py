"""What ``FAST`` and ``FAST_CONV`` of ``course_utils.lesson`` save per training step.

    python benchmarks/fast_settings.py [--rounds 8]

Times a dense net and a small ConvNet with Keras' defaults, with 50 steps per execution, and with XLA on top,
side by side in one run on random data. Takes two to four minutes.
"""

from __future__ import annotations

import argparse

import keras
from side_by_side import NETS, print_machine, print_table, seconds_per_step

from course_utils.lesson import FAST, FAST_CONV, STACK

SETTINGS = {
    "defaults": {"jit_compile": False},
    "50 steps per execution": FAST_CONV,
    "the same and XLA": FAST,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8, help="turns per setting (default 8)")
    options = parser.parse_args()
    print_machine(STACK)
    for name, make_net in NETS.items():
        models = {}
        for label, setting in SETTINGS.items():
            keras.utils.set_random_seed(42)
            model = make_net()
            model.compile("nadam", "categorical_crossentropy", metrics=["accuracy"], **setting)
            models[label] = (model, setting.get("steps_per_execution", 1))
        print_table(f"{name} net", seconds_per_step(models, options.rounds), "defaults")


if __name__ == "__main__":
    main()
