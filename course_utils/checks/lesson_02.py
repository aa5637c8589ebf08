"""Checks of lesson 02: batch normalization."""

import numpy as np

from course_utils.checks.exercise import (
    as_array,
    assert_close,
    call_answer,
    exercise,
    expect,
    format_value,
    is_close,
    unpack,
)


class _Lives:
    """Batch normalization with one mistake, or none."""

    def __init__(self, units, momentum=0.99, epsilon=0.001, mistake=""):
        self.mean, self.variance = np.zeros(units), np.ones(units)
        self.momentum, self.epsilon, self.mistake = momentum, epsilon, mistake
        self.fresh = True
        if mistake == "starts at zero":
            self.variance = np.zeros(units)
        if mistake == "swapped":
            self.momentum = 1 - momentum

    def __call__(self, x, training):
        wrong = self.mistake
        before = self.mean, self.variance
        mean, variance = x.mean(axis=0), x.var(axis=0)
        sample = x.var(axis=0, ddof=1) if len(x) > 1 else variance
        if wrong == "across":
            mean, variance = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
        elif wrong == "all":
            mean, variance = x.mean(), x.var()
        elif wrong == "sample":
            variance = sample
        moves = (training or wrong == "inference moves") and wrong not in ("never moves", "across", "all")
        if moves:
            new = sample if wrong == "sample in memory" else variance
            if wrong == "deviation in memory":
                new = np.sqrt(variance)
            keep = 0.0 if wrong == "last" or (wrong == "first replaces" and self.fresh) else self.momentum
            self.mean = keep * before[0] + (1 - keep) * mean
            if wrong == "around the memory":
                new = np.mean((x - self.mean) ** 2, axis=0)
            self.variance = keep * before[1] + (1 - keep) * new
            if wrong == "forgets to multiply":
                self.mean, self.variance = before[0] + (1 - keep) * mean, before[1] + (1 - keep) * new
            self.fresh = False
        if wrong == "one life":
            used = mean, variance
        elif wrong == "memory in training":
            used = self.mean, self.variance
        elif wrong == "memory before":
            used = before
        elif wrong == "the other way":
            used = (self.mean, self.variance) if training else (mean, variance)
        else:
            used = (mean, variance) if training else (self.mean, self.variance)
        epsilon = self.epsilon
        if wrong == "no root":
            return (x - used[0]) / (used[1] + epsilon)
        if wrong == "outside":
            return (x - used[0]) / (np.sqrt(used[1]) + epsilon)
        if wrong == "no epsilon":
            return (x - used[0]) / np.sqrt(used[1])
        return (x - used[0]) / np.sqrt(used[1] + epsilon)

    def through(self, script):
        """All outputs of a script of (what, training, x)."""
        return [self(x, training) for _, training, x in script]


# Room for single precision, in which a mean is subtracted and the rest divided by next to nothing.
_NEARLY = {"rtol": 1e-3, "atol": 1e-4}

_MISTAKES = {
    "across": "you took the mean of each example; take the mean of each unit over the batch (`axis=0`)",
    "all": "you used one mean for the whole batch; each unit has its own (`axis=0`)",
    "one life": "you used the batch's statistics in inference; use the running ones",
    "the other way": "you exchanged the modes: the batch's statistics are for training",
    "memory in training": "you used the updated running averages in training; use the batch's",
    "memory before": "you used the running averages in training; use the batch's",
    "starts at zero": "your running variance starts at 0; it should start at 1",
    "no root": "you divided by the variance; divide by its square root",
    "outside": "you added ε to the root; add it to the variance, under the root",
    "no epsilon": "ε is missing",
    "sample": "you divided by n - 1 in the batch's variance; divide by n",
    "sample in memory": "your running variance divides by n - 1, as in PyTorch; Keras divides by n",
    "swapped": "you exchanged the weights: the old value gets `momentum`, the batch gets `1 - momentum`",
    "inference moves": "you updated the running averages in inference; update them in training only",
    "never moves": "you never update the running averages; do so in every training call",
    "last": "your running averages are those of the last batch; mix them with the old ones by `momentum`",
    "first replaces": "your first batch replaces the start values; mix it in by `momentum` like all others",
    "deviation in memory": "you keep a running standard deviation; keep a running variance",
    "around the memory": "you took the variance around the running mean; take it around the batch's own mean",
    "forgets to multiply": "your running averages grow without limit: multiply the old value by `momentum`",
}


@exercise
def TwoLives(answer):
    """Call the layer in both modes alternately, with batches of several sizes."""
    rng = np.random.default_rng(5)
    # A unit that hardly varies, so that ε matters; one that does not vary at all.
    spread, place = np.array([2.0, 0.05, 0.0, 7.0]), np.array([3.0, -1.0, 2.0, 0.0])

    def batch(examples):
        return place + spread * rng.normal(size=(examples, 4))

    probe = place + np.array([[1.0, 0.5, -1.0, 2.0], [-2.0, 0.1, 0.3, 5.0], [0.5, 0.2, 0.7, -3.0]])
    for settings in ({"momentum": 0.8, "epsilon": 0.01}, {}):
        layers = [_layer(answer, 4, **settings) for _ in range(2)]
        script = [
            ("a fresh layer in inference", False, probe),
            ("a batch of 8 in training", True, batch(8)),
            ("inference after one batch", False, probe),
            ("inference with one example", False, probe[:1]),
            ("a batch of 3 in training", True, batch(3)),
            ("inference after two batches", False, probe),
            ("a batch of one in training", True, batch(1)),
            ("a batch of 20 in training", True, batch(20)),
            ("inference after four batches", False, probe),
        ]
        found = [
            as_array(what, call_answer(layers[0], x, training=training, what=what))
            for what, training, x in script
        ]
        expected = _Lives(4, **settings).through(script)
        cause = _mistake(found, expected, script, settings)
        for (what, *_), one, other in zip(script, found, expected, strict=True):
            assert_close(what, one, other, cause=cause, **_NEARLY)
        assert_close(
            "a second layer, fresh, beside one that has been trained",
            call_answer(layers[1], probe, training=False, what="a second layer"),
            _Lives(4, **settings)(probe, training=False),
            cause="two layers share their running averages; store them in `self`",
            **_NEARLY,
        )
    return "Both modes are right, called in turns, in training with batches of 1, 3, 8 and 20."


def _mistake(found, expected, script, settings):
    """The mistake that explains most of what was found, and more than no mistake does."""

    def agreeing(outputs):
        """Count the steps that agree, from the first."""
        pairs = zip(found, outputs, strict=True)
        agree = [is_close(one, other, **_NEARLY) for one, other in pairs]
        return agree.index(False) if False in agree else len(agree)

    right = agreeing(expected)
    explained = {
        words: agreeing(_Lives(4, **settings, mistake=name).through(script))
        for name, words in _MISTAKES.items()
    }
    best = max(explained, key=explained.get)
    return best if explained[best] > right else ""


def _layer(answer, units, **settings):
    layer = call_answer(answer, units, **settings)
    expect(
        callable(layer),
        "the layer",
        "an object that can be called like a function",
        format_value(layer),
        "the class needs a method `__call__`",
    )
    return layer


@exercise
def folded(answer):
    """Fold layers of several shapes, with a γ and a variance of zero among them."""
    rng = np.random.default_rng(6)
    for inputs, units, epsilon in [(4, 4, 0.001), (5, 3, 0.1), (1, 6, 0.001), (7, 1, 0.01)]:
        kernel, bias = rng.normal(size=(inputs, units)), rng.normal(size=units)
        gamma, beta, mean = rng.normal(size=(3, units))
        variance = 10.0 ** rng.uniform(-3, 1, units)
        if units == 6:
            gamma[1], variance[2] = 0, 0
        what = f"for {inputs} inputs and {units} units"
        found = call_answer(answer, kernel, bias, gamma, beta, mean, variance, epsilon)
        pair = unpack(f"what `folded` returns {what}", found, "kernel", "bias")
        scale = gamma / np.sqrt(variance + epsilon)
        root = np.sqrt(variance + epsilon)
        with np.errstate(all="ignore"):
            mistakes = {
                "you returned the kernel unchanged": kernel,
                "you divided by the variance; divide by its root here": kernel * gamma / (variance + epsilon),
                "ε is missing under the root": kernel * gamma / np.sqrt(variance),
                "you added ε to the root; add it to the variance, under the root": kernel
                * gamma
                / (np.sqrt(variance) + epsilon),
                "γ is missing": kernel / root,
                "you multiplied by the standard deviation; divide by it": kernel * gamma * root,
                "you added β to the kernel; it belongs to the bias only": kernel * scale + beta,
            }
            if inputs == units:
                mistakes["you scaled the rows of the kernel; a unit is a column"] = kernel * scale[:, None]
        shift = beta - mean * scale
        assert_close(f"the kernel {what}", pair[0], kernel * scale, mistakes=mistakes)
        assert_close(
            f"the bias {what}",
            pair[1],
            bias * scale + shift,
            mistakes={
                "you added the old bias without scaling it": bias + shift,
                "you left out the old bias": shift,
                "you left out the running mean": bias * scale + beta,
                "you added the running mean; subtract it": (bias + mean) * scale + beta,
                "you did not scale the running mean; subtract it before you scale": (
                    bias * scale + beta - mean
                ),
                "β is missing": (bias - mean) * scale,
                "you scaled β; add it after scaling": (bias - mean + beta) * scale,
                "you returned the bias unchanged": bias,
            },
        )
    return (
        "One dense layer gives what the two give, for several shapes, also where γ or the variance is zero."
    )
