"""Answers to lesson 02's exercises."""

from typing import ClassVar

import numpy as np

from answers import right, wrong

# --- TwoLives ---------------------------------------------------------------------------------------------


@right("TwoLives")
class StepByStep:
    """With loops, and the memory as the difference from where it is going."""

    def __init__(self, units, momentum=0.99, epsilon=0.001):
        self.running = [[0.0, 1.0] for _ in range(units)]
        self.rate, self.epsilon = 1 - momentum, epsilon

    def __call__(self, x, training):
        columns = []
        for values, memory in zip(np.transpose(x), self.running, strict=True):
            mean, variance = memory
            if training:
                mean = sum(values) / len(values)
                variance = sum(values**2) / len(values) - mean**2
                memory[0] += self.rate * (mean - memory[0])
                memory[1] += self.rate * (variance - memory[1])
            columns.append([(value - mean) / (variance + self.epsilon) ** 0.5 for value in values])
        return np.transpose(columns)


@right("TwoLives")
class InSinglePrecision:
    """The memory after the outputs, in float32."""

    def __init__(self, units, momentum=0.99, epsilon=0.001):
        self.mu, self.var = np.zeros((1, units), "float32"), np.ones((1, units), "float32")
        self.m, self.epsilon = np.float32(momentum), np.float32(epsilon)

    def __call__(self, x, training=False):
        x = np.asarray(x, "float32")
        if not training:
            return (x - self.mu) / np.sqrt(self.var + self.epsilon)
        mu, var = x.mean(axis=0, keepdims=True), x.var(axis=0, keepdims=True)
        y = (x - mu) / np.sqrt(var + self.epsilon)
        self.mu, self.var = self.m * self.mu + (1 - self.m) * mu, self.m * self.var + (1 - self.m) * var
        return y


@right("TwoLives")
def by_keras_layer(units, momentum=0.99, epsilon=0.001):
    import keras

    layer = keras.layers.BatchNormalization(momentum=momentum, epsilon=epsilon)
    layer.build((None, units))
    return layer


class Mistaken:
    """Right, but for what a subclass changes."""

    start_variance, ddof, memory_ddof = 1.0, 0, 0

    def __init__(self, units, momentum=0.99, epsilon=0.001):
        self.mean, self.variance = np.zeros(units), np.full(units, self.start_variance)
        self.momentum, self.epsilon = momentum, epsilon

    def __call__(self, x, training):
        if not training:
            return self.normalized(x, self.mean, self.variance)
        self.remember(x)
        return self.normalized(x, x.mean(axis=0), np.var(x, axis=0, ddof=self.ddof if len(x) > 1 else 0))

    def remember(self, x):
        variance = np.var(x, axis=0, ddof=self.memory_ddof if len(x) > 1 else 0)
        self.mean = self.momentum * self.mean + (1 - self.momentum) * x.mean(axis=0)
        self.variance = self.momentum * self.variance + (1 - self.momentum) * variance

    def normalized(self, x, mean, variance):
        return (x - mean) / np.sqrt(variance + self.epsilon)


@wrong("TwoLives", says="you used the batch's statistics in inference")
class OneLife(Mistaken):
    def __call__(self, x, training):
        return self.normalized(x, x.mean(axis=0), x.var(axis=0))


@wrong("TwoLives", says="you exchanged the modes")
class TheOtherWay(Mistaken):
    def __call__(self, x, training):
        if training:
            self.remember(x)
            return self.normalized(x, self.mean, self.variance)
        return self.normalized(x, x.mean(axis=0), x.var(axis=0))


@wrong("TwoLives", says="you used the updated running averages")
class MemoryInTraining(Mistaken):
    def __call__(self, x, training):
        if training:
            self.remember(x)
        return self.normalized(x, self.mean, self.variance)


@wrong("TwoLives", says="your running variance starts at 0")
class StartsAtZero(Mistaken):
    start_variance = 0.0


@wrong("TwoLives", says="you exchanged the weights")
class MomentumSwapped(Mistaken):
    def __init__(self, units, momentum=0.99, epsilon=0.001):
        super().__init__(units, 1 - momentum, epsilon)


@wrong("TwoLives", says="your running variance divides by n - 1")
class LikePyTorch(Mistaken):
    memory_ddof = 1


@wrong("TwoLives", says="you divided by n - 1 in the batch's variance")
class Sample(Mistaken):
    ddof = memory_ddof = 1


@wrong("TwoLives", says="you updated the running averages in inference")
class InferenceMovesTheMemory(Mistaken):
    def __call__(self, x, training):
        if training:
            return super().__call__(x, training)
        self.remember(x)
        return self.normalized(x, self.mean, self.variance)


@wrong("TwoLives", says="you never update the running averages")
class NoMemory(Mistaken):
    def remember(self, x):
        self.seen = len(x)


@wrong("TwoLives", says="you added ε to the root")
class EpsilonOutside(Mistaken):
    def normalized(self, x, mean, variance):
        return (x - mean) / (np.sqrt(variance) + self.epsilon)


@wrong("TwoLives", says="you divided by the variance")
class WithoutTheRoot(Mistaken):
    def normalized(self, x, mean, variance):
        return (x - mean) / (variance + self.epsilon)


@wrong("TwoLives", says="you took the mean of each example")
class AcrossTheUnits(Mistaken):
    def __call__(self, x, training):
        if not training:
            return self.normalized(x, self.mean, self.variance)
        return self.normalized(x, x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True))


@wrong("TwoLives", says="two layers share their running averages")
class OneMemoryForAll(Mistaken):
    memory: ClassVar = {}

    def __init__(self, units, momentum=0.99, epsilon=0.001):
        super().__init__(units, momentum, epsilon)
        self.memory.update(mean=self.mean, variance=self.variance)

    def __call__(self, x, training):
        self.mean, self.variance = self.memory["mean"], self.memory["variance"]
        y = super().__call__(x, training)
        self.memory.update(mean=self.mean, variance=self.variance)
        return y


# --- folded -----------------------------------------------------------------------------------------------


@right("folded")
def by_asking(kernel, bias, gamma, beta, mean, variance, epsilon):
    def both(x):
        return gamma * (x @ kernel + bias - mean) / np.sqrt(variance + epsilon) + beta

    at_zero = both(np.zeros((1, len(kernel))))
    return both(np.eye(len(kernel))) - at_zero, at_zero[0]


@right("folded")
def unit_by_unit(kernel, bias, gamma, beta, mean, variance, epsilon):
    new_kernel, new_bias = np.zeros(kernel.shape, "float32"), np.zeros(bias.shape, "float32")
    for unit in range(len(bias)):
        scale = gamma[unit] / (variance[unit] + epsilon) ** 0.5
        new_kernel[:, unit] = scale * kernel[:, unit]
        new_bias[unit] = scale * (bias[unit] - mean[unit]) + beta[unit]
    return [new_kernel, new_bias]


@right("folded")
def by_tensors(kernel, bias, gamma, beta, mean, variance, epsilon):
    import tensorflow as tf

    scale = tf.constant(gamma) * tf.math.rsqrt(tf.constant(variance) + epsilon)
    return kernel @ tf.linalg.diag(scale), beta - scale * (mean - bias)


@wrong("folded", says="scaled the rows")
def the_rows(kernel, bias, gamma, beta, mean, variance, epsilon):
    scale = gamma / np.sqrt(variance + epsilon)
    return kernel * scale[:, None], (bias - mean) * scale + beta


@wrong("folded", says="ε is missing")
def without_epsilon(kernel, bias, gamma, beta, mean, variance, epsilon):
    scale = gamma / np.sqrt(variance)
    return kernel * scale, (bias - mean) * scale + beta


@wrong("folded", says="you divided by the variance")
def by_the_variance(kernel, bias, gamma, beta, mean, variance, epsilon):
    scale = gamma / (variance + epsilon)
    return kernel * scale, (bias - mean) * scale + beta


@wrong("folded", says="γ is missing")
def without_gamma(kernel, bias, gamma, beta, mean, variance, epsilon):
    scale = 1 / np.sqrt(variance + epsilon)
    return kernel * scale, (bias - mean) * scale + beta


@wrong("folded", says="you added the old bias without scaling it")
def bias_not_scaled(kernel, bias, gamma, beta, mean, variance, epsilon):
    scale = gamma / np.sqrt(variance + epsilon)
    return kernel * scale, bias + beta - mean * scale


@wrong("folded", says="you left out the old bias")
def bias_lost(kernel, bias, gamma, beta, mean, variance, epsilon):
    scale = gamma / np.sqrt(variance + epsilon)
    return kernel * scale, beta - mean * scale


@wrong("folded", says="you added the running mean")
def mean_added(kernel, bias, gamma, beta, mean, variance, epsilon):
    scale = gamma / np.sqrt(variance + epsilon)
    return kernel * scale, (bias + mean) * scale + beta


@wrong("folded", says="you did not scale the running mean")
def mean_not_scaled(kernel, bias, gamma, beta, mean, variance, epsilon):
    scale = gamma / np.sqrt(variance + epsilon)
    return kernel * scale, bias * scale + beta - mean


@wrong("folded", says="you scaled β")
def beta_scaled(kernel, bias, gamma, beta, mean, variance, epsilon):
    scale = gamma / np.sqrt(variance + epsilon)
    return kernel * scale, (bias - mean + beta) * scale
