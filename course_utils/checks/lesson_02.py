"""Checks of lesson 02: batch normalization and gradient clipping."""

import numpy as np

from course_utils.checks.exercise import (
    WrongAnswer,
    as_array,
    assert_close,
    call_answer,
    exercise,
    expect,
    is_close,
    unpack,
)


@exercise
def clip_together(answer):
    """Clip long gradients, short ones, none at all, and some that are only long together."""
    rng = np.random.default_rng(4)
    shapes = [(3, 4), (4,), (4, 2)]
    long = [size * rng.normal(size=shape) for size, shape in zip([9.0, 0.05, 2.0], shapes, strict=True)]
    for what, gradients, limit in [
        ("gradients that are too long", long, 0.5),
        (
            "gradients that are too long only together",
            [np.array([0.6, -0.6]), np.array([[-0.5], [0.7]])],
            1.0,
        ),
        (
            "gradients of which all but one are zero",
            [np.zeros(3), np.array([-3.0, 4.0]), np.zeros((2, 2))],
            1.0,
        ),
        ("one gradient alone", [np.array([[30.0, -40.0]])], 5.0),
        ("gradients that are short enough", [0.01 * gradient for gradient in long], 2.5),
        ("gradients of zero", [np.zeros((2, 3)), np.zeros(3)], 1.0),
    ]:
        found = call_answer(answer, gradients, limit)
        expect(
            not isinstance(found, dict | str) and hasattr(found, "__iter__"),
            what,
            "a list of arrays",
            found,
            "return the clipped gradients, in the same order",
        )
        found = list(found)
        if len(found) != len(gradients):
            cause = "return the gradients only, in the same order, each in its own shape"
            raise WrongAnswer(what, f"{len(gradients)} arrays", f"{len(found)} things", cause)
        found = [as_array(f"{what}, number {place}", value) for place, value in enumerate(found, 1)]
        cause = ""
        for words, mistake in _CLIPPED_WRONGLY.items():
            if _all_close(found, mistake(gradients, limit)):
                cause = words
                break
        length = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
        factor = min(1.0, limit / length) if length else 1.0
        for place, (one, before) in enumerate(zip(found, gradients, strict=True), 1):
            assert_close(
                f"{what}, number {place} of {len(found)}, for a limit of {limit}",
                one,
                factor * before,
                cause=cause,
            )
    return "Long gradients, short ones, zeros, and some that are long only together: all clipped as one."


def _all_close(found, expected, **tolerances):
    return all(is_close(one, other, **tolerances) for one, other in zip(found, expected, strict=True))


def _shortened(length, stretch=False):
    """Clipping with a wrong idea of the whole length."""

    def clipped(gradients, limit):
        factor = limit / length(gradients)
        return [gradient * (factor if stretch else min(1, factor)) for gradient in gradients]

    return clipped


def _squares(gradients):
    return sum(np.sum(gradient**2) for gradient in gradients)


def _norms(gradients):
    return np.array([np.linalg.norm(gradient) for gradient in gradients])


def _count(gradients):
    return sum(gradient.size for gradient in gradients)


# In this order: the first that fits is named.
_CLIPPED_WRONGLY = {
    "each gradient is clipped by a norm of its own; they share one": lambda gradients, limit: [
        gradient * min(1, limit / norm) if norm else gradient
        for gradient, norm in zip(gradients, _norms(gradients), strict=True)
    ],
    "each component is cut by itself, which turns the gradient; shorten all by one factor": lambda g, limit: [
        np.clip(gradient, -limit, limit) for gradient in g
    ],
    "gradients that are short enough stay as they are; never stretch": _shortened(
        lambda gradients: np.sqrt(_squares(gradients)), stretch=True
    ),
    "that is the sum of the norms; under one root stands the sum of all squares": _shortened(
        lambda gradients: _norms(gradients).sum()
    ),
    "the root of the sum of squares is missing": _shortened(_squares),
    "the length is not that of the largest component": _shortened(
        lambda gradients: max(np.abs(gradient).max() for gradient in gradients)
    ),
    "the norm of the longest gradient is not the norm of all": _shortened(
        lambda gradients: _norms(gradients).max()
    ),
    "a norm takes the sum of the squares, not their mean": _shortened(
        lambda gradients: np.sqrt(_squares(gradients) / _count(gradients))
    ),
    "divided by the norm, but not multiplied by the limit": lambda gradients, limit: [
        gradient / np.sqrt(_squares(gradients)) for gradient in gradients
    ],
    "too long gradients come back as they were": lambda gradients, limit: gradients,
}


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
    "across": "each unit has a mean of its own, over the examples of the batch (`axis=0`)",
    "all": "one mean for the whole batch; each unit has its own (`axis=0`)",
    "one life": "in inference too you use the batch's own mean and variance; use the memory",
    "the other way": "the two modes are exchanged: the batch is for training, the memory for later",
    "memory in training": "in training you use the memory, just moved; use the batch's mean and variance",
    "memory before": "in training you use the memory; use the batch's mean and variance",
    "starts at zero": "the running variance starts at one, not at zero",
    "no root": "you divide by the variance; divide by its root",
    "outside": "ε stands under the root, beside the variance",
    "no epsilon": "ε is missing",
    "sample": "the batch's variance divides by n, not by n - 1",
    "sample in memory": "that is PyTorch's memory, divided by n - 1; Keras keeps the batch's own variance",
    "swapped": "the momentum belongs to the old value; the batch gets the rest, `1 - momentum`",
    "inference moves": "a look in inference moves the memory; only training may",
    "never moves": "the memory never moves; in training it takes a part of each batch's mean and variance",
    "last": "the memory is that of the last batch; it should move there by a small part of the way",
    "first replaces": "the first batch replaces the start; it too moves the memory by a part of the way only",
    "deviation in memory": "the memory keeps the variance, not its root",
    "around the memory": "the variance is taken around the batch's own mean, not around the running mean",
    "forgets to multiply": "the memory grows without end: multiply its old value by the momentum",
}


@exercise
def TwoLives(answer):
    """Lead the layer through both modes in turns, with batches of several sizes."""
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
            cause="two layers share one memory; it belongs to `self`",
            **_NEARLY,
        )
    return "In training and in inference, in turns, with batches of 1, 3, 8 and 20: both lives are right."


def _mistake(found, expected, script, settings):
    """The mistake that explains most of what was found, and more than no mistake does."""

    def agreeing(outputs):
        """For how many steps from the first."""
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
        "something to call like a function",
        layer,
        "the class needs a method `__call__`",
    )
    return layer


@exercise
def folded(answer):
    """Fold layers of several shapes, with every number awkward once."""
    rng = np.random.default_rng(6)
    for inputs, units, epsilon in [(4, 4, 0.001), (5, 3, 0.1), (1, 6, 0.001), (7, 1, 0.01)]:
        kernel, bias = rng.normal(size=(inputs, units)), rng.normal(size=units)
        gamma, beta, mean = rng.normal(size=(3, units))
        variance = 10.0 ** rng.uniform(-3, 1, units)
        if units == 6:
            gamma[1], variance[2] = 0, 0
        what = f"for {inputs} inputs and {units} units"
        found = call_answer(answer, kernel, bias, gamma, beta, mean, variance, epsilon)
        pair = unpack(f"what it returns {what}", found, "kernel", "bias")
        scale = gamma / np.sqrt(variance + epsilon)
        root = np.sqrt(variance + epsilon)
        with np.errstate(all="ignore"):
            mistakes = {
                "the kernel came back as it was": kernel,
                "you divided by the variance, not by its root": kernel * gamma / (variance + epsilon),
                "ε is missing under the root": kernel * gamma / np.sqrt(variance),
                "ε stands under the root, beside the variance": kernel
                * gamma
                / (np.sqrt(variance) + epsilon),
                "γ is missing": kernel / root,
                "you multiplied by the standard deviation": kernel * gamma * root,
                "β does not act on the kernel": kernel * scale + beta,
            }
            if inputs == units:
                mistakes["a unit is a column of the kernel, and you scaled the rows"] = (
                    kernel * scale[:, None]
                )
        shift = beta - mean * scale
        assert_close(f"the kernel {what}", pair[0], kernel * scale, mistakes=mistakes)
        assert_close(
            f"the bias {what}",
            pair[1],
            bias * scale + shift,
            mistakes={
                "the old bias is scaled too; you added it as it was": bias + shift,
                "the old bias is lost": shift,
                "the running mean is missing": bias * scale + beta,
                "the running mean is subtracted, not added": (bias + mean) * scale + beta,
                "the running mean is scaled like the sums that it is subtracted from": (
                    bias * scale + beta - mean
                ),
                "β is missing": (bias - mean) * scale,
                "β comes last; it is not scaled": (bias - mean + beta) * scale,
                "the bias came back as it was": bias,
            },
        )
    return "One Dense layer in place of two, for layers wide and narrow, a γ of zero and a variance of zero."
