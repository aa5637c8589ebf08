"""What a training step costs: Keras' ``fit``, the course's, a bare TensorFlow loop, other libraries.

    python benchmarks/training.py [--rounds 3] [--steps 300] [--rows dense 1cycle ...]

CPU milliseconds a step, the median over rounds in which the ways take turns, on random data of the right
shape. A turn is a training of five epochs. PyTorch, JAX and NumPy train the dense nets only; what is not
installed is left out. The first round of each way, in which programs are built, does not count. Takes about
twenty minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
from itertools import pairwise

with contextlib.suppress(ImportError):
    import torch._dynamo  # noqa: F401  (loaded after TensorFlow it crashes)

from side_by_side import cpu_seconds_in_turns, print_machine

from course_utils.addons import ConditionalGradient, InstanceNormalization, WeightNormalization
from course_utils.schedules import OneCycle
from course_utils.stack import STACK
from course_utils.training import fit

import keras  # isort: skip
import numpy as np  # isort: skip
import tensorflow as tf  # isort: skip

RNG = np.random.default_rng(0)
layers = keras.layers
LOSS = "sparse_categorical_crossentropy"
EPOCHS = 5


def mlp(*sizes, activation="relu", bn=False, initializer="he_normal"):
    net = [keras.Input((28, 28)), layers.Flatten()]
    for size in sizes:
        net.append(layers.Dense(size, kernel_initializer=initializer, use_bias=not bn))
        net += [layers.BatchNormalization()] if bn else []
        net.append(layers.Activation(activation))
    return keras.Sequential([*net, layers.Dense(10, activation="softmax")])


def instance_net():
    """The ConvNet of source S2."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(10, 3, activation="relu"),
            InstanceNormalization(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )


def weight_net():
    from side_by_side import conv_net

    return conv_net(WeightNormalization)


sgd = keras.optimizers.SGD
# row: (its name, the net, the optimizer, the batch size, whether XLA compiles it)
ROWS = {
    "dense": ("300-100-10, Nadam, 32", lambda: mlp(300, 100), keras.optimizers.Nadam, 32, True),
    "1cycle": (
        "the same, 1cycle SGD, 128",
        lambda: mlp(300, 100),
        lambda: sgd(OneCycle(0.05, 10_000), momentum=0.9),
        128,
        True,
    ),
    "cg": (
        "64-64-10, conditional gradient, 64",
        lambda: mlp(64, 64),
        lambda: ConditionalGradient(0.99, 10.0),
        64,
        True,
    ),
    "bn": ("20x100 with BN, Nadam, 32", lambda: mlp(*[100] * 20, bn=True), keras.optimizers.Nadam, 32, True),
    "selu": (
        "100 layers SELU, SGD, 32",
        lambda: mlp(*[100] * 100, activation="selu", initializer="lecun_normal"),
        lambda: sgd(0.001),
        32,
        False,
    ),
    "in": ("S2 ConvNet, instance norm, 32", instance_net, keras.optimizers.Adam, 32, False),
    "wn": ("WN ConvNet, 32", weight_net, keras.optimizers.Adam, 32, False),
}


def shuffled(x, y, size):
    """Batches from a tf.data pipeline that shuffles indices: the first edition's way."""
    indices = tf.data.Dataset.range(len(x)).shuffle(len(x), reshuffle_each_iteration=True).batch(size)
    x, y = tf.constant(x), tf.constant(y)
    return indices.map(lambda i: (tf.gather(x, i), tf.gather(y, i))).prefetch(tf.data.AUTOTUNE)


def ways(row, steps):
    """The ways to train five epochs of `steps` steps, as functions without arguments."""
    _, make, optimizer, size, xla = ROWS[row]
    shape = make().input_shape[1:]
    x = RNG.random((size * steps, *shape), dtype="float32")
    y = RNG.integers(0, 10, len(x)).astype("int32")

    def compiled(**settings):
        net = make()
        net.compile(optimizer(), LOSS, metrics=["accuracy"], **settings)
        return net

    plain, today = compiled(), compiled(steps_per_execution=50, jit_compile=xla)
    ours = compiled(jit_compile=True) if xla else compiled()
    chosen = {
        "Keras' fit": lambda: plain.fit(x, y, batch_size=size, epochs=EPOCHS, verbose=0),
        "shuffled, 50 steps": lambda: today.fit(shuffled(x, y, size), epochs=EPOCHS, verbose=0),
        "fit": lambda: fit(ours, x, y, batch_size=size, epochs=EPOCHS, verbose=0),
        "bare loop": repeated(bare_loop(make(), optimizer(), x, y, size, xla)),
    }
    sizes = {"dense": (784, 300, 100, 10), "1cycle": (784, 300, 100, 10), "cg": (784, 64, 64, 10)}.get(row)
    if sizes:
        for peer in (pytorch_loop, jax_loop, numpy_loop):
            with contextlib.suppress(ImportError):
                chosen[peer.__doc__] = repeated(peer(sizes, x.reshape(len(x), -1), y, size))
    return chosen


def repeated(epoch):
    """Several epochs of a hand-written loop."""
    return lambda: [epoch() for _ in range(EPOCHS)]


def bare_loop(net, optimizer, x, y, size, xla):
    loss_of = keras.losses.SparseCategoricalCrossentropy()
    build = getattr(optimizer, "build", None) or optimizer._create_all_weights
    build(net.trainable_variables)
    x, y = tf.constant(x), tf.constant(y)

    @tf.function(jit_compile=xla)
    def step(images, labels):
        with tf.GradientTape() as tape:
            loss = loss_of(labels, net(images, training=True))
        gradients = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(gradients, net.trainable_variables, strict=True))

    @tf.function
    def run(order):
        def one_more(i):
            step(tf.gather(x, order[i]), tf.gather(y, order[i]))
            return (i + 1,)

        tf.while_loop(lambda i: i < len(order), one_more, [0])

    return lambda: run(tf.constant(RNG.permutation(len(x)).reshape(-1, size), tf.int32))


def pytorch_loop(sizes, x, y, size):
    """PyTorch"""
    import torch

    torch.set_num_threads(1)
    parts = [m for a, b in pairwise(sizes) for m in (torch.nn.Linear(a, b), torch.nn.ReLU())][:-1]
    net, x, y = torch.nn.Sequential(*parts), torch.from_numpy(x), torch.from_numpy(y).long()
    optimizer = (torch.optim.NAdam if size == 32 else torch.optim.SGD)(net.parameters(), lr=0.001)

    def run():
        for batch in torch.randperm(len(x)).reshape(-1, size):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()

    return run


def jax_loop(sizes, x, y, size):
    """JAX, SGD"""
    import jax

    start = [
        (jax.numpy.asarray(RNG.standard_normal((a, b)) / a**0.5), jax.numpy.zeros(b))
        for a, b in pairwise(sizes)
    ]

    def loss(weights, images, labels):
        for kernel, bias in weights[:-1]:
            images = jax.nn.relu(images @ kernel + bias)
        scores = jax.nn.log_softmax(images @ weights[-1][0] + weights[-1][1])
        return -scores[np.arange(size), labels].mean()

    @jax.jit
    def epoch(weights, order):
        def step(weights, batch):
            slopes = jax.grad(loss)(weights, x_[batch], y_[batch])
            return jax.tree.map(lambda w, g: w - 0.001 * g, weights, slopes), None

        return jax.lax.scan(step, weights, order)[0]

    x_, y_ = jax.numpy.asarray(x), jax.numpy.asarray(y)
    return lambda: jax.block_until_ready(epoch(start, RNG.permutation(len(x)).reshape(-1, size)))


def numpy_loop(sizes, x, y, size):
    """NumPy, SGD"""
    kernels = [(RNG.standard_normal((a, b)) / a**0.5).astype("float32") for a, b in pairwise(sizes)]
    biases = [np.zeros(b, "float32") for b in sizes[1:]]

    def run():
        for batch in RNG.permutation(len(x)).reshape(-1, size):
            values = [x[batch]]
            for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
                values.append(np.maximum(values[-1] @ kernel + bias, 0))
            scores = values[-1] @ kernels[-1] + biases[-1]
            slope = np.exp(scores - scores.max(1, keepdims=True))
            slope /= slope.sum(1, keepdims=True)
            slope[np.arange(size), y[batch]] -= 1
            slope /= size
            for i in reversed(range(len(kernels))):
                below = slope @ kernels[i].T * (values[i] > 0)
                kernels[i] -= 0.001 * (values[i].T @ slope)
                biases[i] -= 0.001 * slope.sum(0)
                slope = below

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns per way (default 3)")
    parser.add_argument("--steps", type=int, default=300, help="steps per epoch (default 300)")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    options = parser.parse_args()
    print_machine(STACK)
    for row in options.rows:
        seconds = cpu_seconds_in_turns(ways(row, options.steps), options.rounds)
        middle = {
            way: 1000 * statistics.median(values) / options.steps / EPOCHS for way, values in seconds.items()
        }
        print(f"\n{ROWS[row][0]}   fit ÷ bare loop: {middle['fit'] / middle['bare loop']:.2f}")
        print("   ".join(f"{way} {value:.2f}" for way, value in middle.items()), flush=True)


if __name__ == "__main__":
    main()
