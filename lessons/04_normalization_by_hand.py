# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 · Normalization by hand
#
# A normalization layer is one line to use and easy to get almost right. Almost right is the trouble: a net with
# a wrong normalization still learns. So in this lesson we write batch, layer and weight normalization ourselves,
# forward and backward, have our derivatives checked, and then learn from the mistakes of a memo that did the same
# before us.
#
# | | |
# |---|---|
# | **You will learn** | to derive the gradient of a normalization layer · to check a derivation by automatic differentiation · to tell a better method from a longer step · to find errors that no learning curve shows |
# | **You need** | the chain rule, matrix products; some Keras |
# | **Reproduces** | *A memo on batch, weight and layer normalization, written by hand* (unpublished; it shows curves and prints no numbers) |
# | **The idea** | Ioffe & Szegedy 2015, [*Batch Normalization*](https://arxiv.org/abs/1502.03167) · Ba, Kiros & Hinton 2016, [*Layer Normalization*](https://arxiv.org/abs/1607.06450) · Salimans & Kingma 2016, [*Weight Normalization*](https://arxiv.org/abs/1602.07868) |
# | **Time** | in full mode as it says above; in quick mode (`COURSE_MODE=quick`) under a minute |

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("04_normalization_by_hand")

# %%
import copy

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from course_utils import plotting
from course_utils.data import load_mnist
from course_utils.training import shuffled

# %% [markdown]
# ## The set-up
#
# The memo's net reads MNIST: 784 pixels, 128 ReLU units, 10 outputs and a softmax. It trains by plain gradient
# descent with rate `0.1`, on batches of 128 that are drawn at random *with replacement*. Labels are one-hot.

# %%
mnist = lesson.data(load_mnist())

x_train, x_test = (x.reshape(len(x), -1) / np.float32(255) for x in (mnist.x_train, mnist.x_test))
y_train, y_test = (np.eye(10, dtype="float32")[y] for y in (mnist.y_train, mnist.y_test))

# %% [markdown]
# All our runs share two things: the weights they start from and the batches they see. So whatever differs between
# two curves comes from the layers. (The memo's own starting weights are not known to us; we take Glorot's, as Keras does.)

# %%
rng = np.random.default_rng(lesson.seed)


def glorot(n_in, n_out):
    limit = np.sqrt(6 / (n_in + n_out))
    return rng.uniform(-limit, limit, (n_in, n_out)).astype("float32")


checkpoints = (5, 10, 20) if lesson.quick else (100, 500, 2000)
start1, start2 = glorot(784, 128), glorot(128, 10)
batches = rng.integers(0, len(x_train), (checkpoints[-1], 128))

# %% [markdown]
# ## A layer without normalization
#
# A layer by hand has a forward pass and a backward pass. Forward: $y = xw + b$, one row per example. Backward, it
# is handed $\bar y = \partial L/\partial y$ and owes us the same for everything that went in:
#
# $$\bar w = x^\top \bar y, \qquad \bar b = \sum_i \bar y_i, \qquad \bar x = \bar y\, w^\top .$$
#
# A bar means "gradient of the loss with respect to"; in the code it is a `d` in front.


# %%
class Dense:
    def __init__(self, w):
        self.p = {"w": w.copy(), "b": np.zeros_like(w[0])}

    def forward(self, x, training=True):
        self.x = x
        return x @ self.p["w"] + self.p["b"]

    def backward(self, dy):
        self.grad = {"w": self.x.T @ dy, "b": dy.sum(axis=0)}
        return dy @ self.p["w"].T


# %% [markdown]
# Two layers make a net. The softmax and the cross-entropy together have the simplest gradient there is: predicted
# probabilities minus the one-hot label. ReLU lets the gradient through where it was open.


# %%
def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def cross_entropy(z, y):
    return -float((y * log_softmax(z)).sum(axis=1).mean())


# %%
class Net:
    def __init__(self, *layers):
        self.first, self.second = self.layers = layers

    def forward(self, x, training=True):
        self.h = np.maximum(self.first.forward(x, training), 0)
        return self.second.forward(self.h, training)

    def backward(self, z, y):
        dh = self.second.backward((np.exp(log_softmax(z)) - y) / len(y))
        self.first.backward(dh * (self.h > 0))

    def step(self, x, y, rate):
        z = self.forward(x)
        self.backward(z, y)
        for layer in self.layers:
            for name, gradient in layer.grad.items():
                layer.p[name] = layer.p[name] - rate * gradient
        return z


# %% [markdown]
# ## Weight normalization
#
# Weight normalization trains a length $g$ and a direction $v$ for each unit, $w = g\,\hat v$ with
# $\hat v = v/\lVert v\rVert$ (lesson 05 is about it alone). With $t = x\hat v$ the layer is $y = g\,t + b$, and
# going backwards
#
# $$\bar g = \sum_i \bar y_i t_i, \qquad \bar b = \sum_i \bar y_i, \qquad \bar t = g\,\bar y, \qquad
#   \bar{\hat v} = x^\top \bar t, \qquad \bar v = \frac{\bar{\hat v} - (\bar{\hat v}\cdot\hat v)\,\hat v}{\lVert v\rVert} .$$
#
# The last one is the derivative of $v/\lVert v\rVert$: what points along $\hat v$ is taken out.

# %% [markdown]
# The initialisation looks at the first batch and makes each output start with mean 0 and variance 1:
# $g = 1/\sigma[t]$, $b = -\mu[t]/\sigma[t]$. Without it, we start as simply as one can: $g = 1$, $b = 0$.


# %%
class WeightNorm:
    def __init__(self, v, from_data=False):
        self.p = {"v": v.copy(), "g": np.ones_like(v[0]), "b": np.zeros_like(v[0])}
        self.from_data = from_data

    def initialise(self, mean, deviation):
        self.p |= {"g": 1 / deviation, "b": -mean / deviation}

    def forward(self, x, training=True):
        self.x, self.length = x, np.linalg.norm(self.p["v"], axis=0)
        self.v_hat = self.p["v"] / self.length
        self.t = x @ self.v_hat
        if self.from_data:
            self.from_data = False
            self.initialise(self.t.mean(axis=0), np.sqrt(self.t.var(axis=0) + 1e-10))
        return self.p["g"] * self.t + self.p["b"]

    def backward(self, dy):
        dt = self.p["g"] * dy
        dv_hat = self.x.T @ dt
        dv = (dv_hat - (dv_hat * self.v_hat).sum(axis=0) * self.v_hat) / self.length
        self.grad = {"v": dv, "g": (dy * self.t).sum(axis=0), "b": dy.sum(axis=0)}
        return dt @ self.v_hat.T


# %% [markdown]
# ## Batch and layer normalization are one layer
#
# Both take $t = xw$, subtract a mean and divide by a standard deviation, then let the net choose a scale $\gamma$
# and a shift $\beta$ for each unit:
#
# $$\hat t = \frac{t - \mu}{\sigma}, \quad \sigma = \sqrt{\mathrm{var} + 10^{-5}}, \qquad y = \gamma\,\hat t + \beta .$$
#
# They differ in one index. Batch normalization takes $\mu$ and $\sigma$ over the examples, for each unit (axis 0);
# layer normalization over the units, for each example (axis 1).
#
# **Before you read on:** a tempting gradient is $\bar t = \gamma\bar y/\sigma$. What does it forget?

# %% [markdown]
# Move one $t_i$ and you move $\mu$ and $\sigma$ too, and with them every $\hat t$ that shares them. Three paths
# lead from $t_i$ to the loss. With $\bar{\hat t} = \gamma\,\bar y$, and a mean $\langle\cdot\rangle$ over the $n$
# values that share $\mu$ and $\sigma$:
#
# $$\frac{\partial \hat t_j}{\partial t_i} = \frac1\sigma\Big(\delta_{ij} - \frac1n - \frac{\hat t_i\,\hat t_j}{n}\Big)
#   \quad\Longrightarrow\quad
#   \bar t = \frac1\sigma\Big(\bar{\hat t} - \langle\bar{\hat t}\rangle - \hat t\,\langle\bar{\hat t}\,\hat t\rangle\Big).$$
#
# Of the gradient it keeps what neither shifts nor stretches all of $t$: the layer would undo both anyway.


# %% tags=["needed"]
class Standardize:
    def __init__(self, w, axis):
        self.p = {"w": w.copy(), "gamma": np.ones_like(w[0]), "beta": np.zeros_like(w[0])}
        self.over = dict(axis=axis, keepdims=True)
        self.running = None  # batch normalization keeps what it will need at inference

    def statistics(self, t, training):
        mean, var = t.mean(**self.over), t.var(**self.over)
        if self.over["axis"] == 1:
            return mean, var
        if training:
            old = self.running or (mean, var)
            self.running = 0.9 * old[0] + 0.1 * mean, 0.9 * old[1] + 0.1 * var
        return (mean, var) if training else self.running

    def forward(self, x, training=True):
        t, self.x = x @ self.p["w"], x
        mean, var = self.statistics(t, training)
        self.sigma = np.sqrt(var + 1e-5)
        self.t_hat = (t - mean) / self.sigma
        return self.p["gamma"] * self.t_hat + self.p["beta"]


# %% [markdown]
# The backward pass is the formula above, word for word. (Running statistics need no derivative. The
# memo has none at all; we will see what that means.)


# %% tags=["needed"]
class Normalized(Standardize):
    def backward(self, dy):
        dt_hat = self.p["gamma"] * dy
        shift, stretch = dt_hat.mean(**self.over), (dt_hat * self.t_hat).mean(**self.over)
        dt = (dt_hat - shift - self.t_hat * stretch) / self.sigma
        gamma, beta = (dy * self.t_hat).sum(axis=0), dy.sum(axis=0)
        self.grad = {"w": self.x.T @ dt, "gamma": gamma, "beta": beta}
        return dt @ self.p["w"].T


# %% [markdown]
# The five nets of the memo. Batch and layer normalization act on the first layer only, as in the memo; weight
# normalization is used in both.


# %%
def five_nets(w1, w2):
    return {
        "plain": Net(Dense(w1), Dense(w2)),
        "weight normalization": Net(WeightNorm(w1), WeightNorm(w2)),
        INITIALISED: Net(WeightNorm(w1, from_data=True), WeightNorm(w2, from_data=True)),
        "batch normalization": Net(Normalized(w1, axis=0), Dense(w2)),
        "layer normalization": Net(Normalized(w1, axis=1), Dense(w2)),
    }


INITIALISED = "weight normalization, paper's initialisation"

# %% [markdown]
# ## Are the derivations right?
#
# A wrong gradient seldom crashes; the net just learns a little worse. So we do not trust ours. We write the same
# layers in Keras, forward only, and let automatic differentiation find the gradients. They take a few lines each.


# %%
class KerasWeightNorm(keras.layers.Layer):
    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units

    def build(self, shape):
        self.v = self.add_weight(name="v", shape=self.kernel(shape[-1]), initializer="glorot_uniform")
        self.g = self.add_weight(name="g", shape=(self.units,), initializer="ones")
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")

    def kernel(self, n_in):
        return (n_in, self.units)

    def product(self, x, v_hat):
        return x @ v_hat

    def t(self, x):
        squares = tf.square(tf.convert_to_tensor(self.v))
        length = tf.sqrt(tf.reduce_sum(squares, axis=list(range(len(self.v.shape) - 1))))
        return self.product(x, self.v / length)

    def call(self, x):
        return self.g * self.t(x) + self.b


# %%
class KerasStandardize(keras.layers.Layer):
    def __init__(self, units, axis, **options):
        super().__init__(**options)
        self.units, self.axis = units, axis

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(shape[-1], self.units), initializer="glorot_uniform")
        self.gamma = self.add_weight(name="gamma", shape=(self.units,), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(self.units,), initializer="zeros")

    def call(self, x):
        t = x @ self.w
        mean, var = tf.nn.moments(t, self.axis, keepdims=True)
        return self.gamma * (t - mean) / tf.sqrt(var + 1e-5) + self.beta


# %% [markdown]
# Each hand-written net gets a Keras twin with the same numbers in its weights. We compute in double precision, so that
# rounding cannot hide an error.


# %%
def twin_layer(layer):
    units = layer.p["b" if "b" in layer.p else "beta"].size
    if isinstance(layer, WeightNorm):
        return KerasWeightNorm(units, dtype="float64")
    if isinstance(layer, Standardize):
        return KerasStandardize(units, layer.over["axis"], dtype="float64")
    return keras.layers.Dense(units, dtype="float64")


def twin(net):
    layers = [twin_layer(layer) for layer in net.layers]
    relu = keras.layers.ReLU(dtype="float64")
    model = keras.Sequential([keras.Input((784,), dtype="float64"), layers[0], relu, layers[1]])
    model.set_weights([value for layer in net.layers for value in layer.p.values()])
    return model


# %%
def loss_and_gradients(model, x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, model(x)))
    return float(loss), tape.gradient(loss, model.trainable_variables)


def worst_difference(net, x, y):
    net.backward(net.forward(x), y)
    by_hand = [layer.grad[name] for layer in net.layers for name in layer.p]
    automatic = [np.asarray(gradient) for gradient in loss_and_gradients(twin(net), x, y)[1]]
    return max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(by_hand, automatic))


# %% [markdown]
# At their starting values $\gamma = 1$ and $\beta = 0$ could hide a forgotten factor. So every parameter is first moved
# a little, at random. Then, for each net, the worst relative difference between our gradients and the automatic ones:

# %%
x, y = x_train[batches[0]].astype("float64"), y_train[batches[0]].astype("float64")
checked = five_nets(start1.astype("float64"), start2.astype("float64"))
for net in checked.values():
    net.forward(x)  # with the first batch, weight normalization initialises itself
    for layer in net.layers:
        layer.p = {name: value + 0.1 * rng.normal(size=value.shape) for name, value in layer.p.items()}

differences = {method: worst_difference(net, x, y) for method, net in checked.items()}
for method, difference in differences.items():
    print(f"{method:46}{difference:.1e}")

# %% tags=["nbval-check-output"]
print("all below 1e-6:", all(difference < 1e-6 for difference in differences.values()))

# %% [markdown]
# Can the test fail? A test that cannot is worth nothing. We give it the tempting gradient, which treats
# $\mu$ and $\sigma$ as constants.


# %%
class Tempting(Standardize):
    def backward(self, dy):
        dt = self.p["gamma"] * dy / self.sigma
        gamma, beta = (dy * self.t_hat).sum(axis=0), dy.sum(axis=0)
        self.grad = {"w": self.x.T @ dt, "gamma": gamma, "beta": beta}


wrong = Net(Tempting(start1.astype("float64"), axis=0), Dense(start2.astype("float64")))
print(f"{'batch normalization, tempting gradient':46}{worst_difference(wrong, x, y):.1e}")

# %% [markdown]
# It fails loudly. Written in Keras nobody would make this mistake; in a hand-written layer, or in one with a
# misplaced `stop_gradient`, it stays unseen, since the net learns all the same, only less well (question 1).
#
# ## The same numbers, step by step
#
# Gradients on one batch agree. Does a whole training? From the same weights and on the same batches, both versions
# should show the same losses. The twin of the initialised net starts from the numbers that the hand-written one
# found with the first batch.

# %%
n_steps = 4 if lesson.quick else 50
largest = {}
for method, net in five_nets(start1.astype("float64"), start2.astype("float64")).items():
    net.forward(x)
    model, gaps = twin(net), []
    for batch in batches[:n_steps]:
        xb, yb = x_train[batch].astype("float64"), y_train[batch].astype("float64")
        loss, gradients = loss_and_gradients(model, xb, yb)
        for variable, gradient in zip(model.trainable_variables, gradients):
            variable.assign_sub(0.1 * gradient)
        gaps.append(abs(loss - cross_entropy(net.step(xb, yb, rate=0.1), yb)))
    largest[method] = max(gaps)

# %%
print(f"largest difference of the loss over {n_steps} steps")
for method, gap in largest.items():
    print(f"{method:46}{gap:.1e}")

# %% [markdown]
# That is rounding: double precision keeps some sixteen digits. From here on we train with the hand-written nets, in
# single precision.
#
# ## The memo's five learning curves
#
# The memo claims two things: weight normalization learns faster with the initialisation than without it, and every
# normalization learns faster than none. **Which of the five do you expect in front after 100 steps? And after 2,000?**
# Write down your order.
#
# The memo records loss and accuracy of each batch. We keep its accuracy too, and at a few steps on the way we measure
# properly: the loss over the whole training set, and the accuracy on the test set.


# %%
def score(net, x, y):
    z = net.forward(x, training=False)
    return cross_entropy(z, y[: len(z)]), accuracy(z, y[: len(z)])


def accuracy(z, y):
    return float((z.argmax(axis=1) == y.argmax(axis=1)).mean())


def train(net, rate=0.1):
    history = {"batch": [], "step": [], "loss": [], "test": []}
    for step, batch in enumerate(batches, start=1):
        z = net.step(x_train[batch], y_train[batch], rate)
        history["batch"].append(accuracy(z, y_train[batch]))
        if step in looks:
            history["step"].append(step)
            history["loss"].append(score(net, x_train, y_train)[0])
            history["test"].append(score(net, x_test, y_test)[1])
    return history


looks = {1, 2, 5, 10, 20, 50, 150, 200, 300, 700, 1000, 1400, *checkpoints}

# %%
nets = five_nets(start1, start2)
histories = {method: train(net) for method, net in nets.items()}

# %% [markdown]
# First as the memo draws it, a panel for each run: the accuracy of the current batch, step by step.

# %% tags=["figure"]
fig, axes = plt.subplots(1, 5, figsize=(12.5, 3.0), sharex=True, sharey=True)
titles = ["plain", "weight norm.", "weight norm.,\ninitialised", "batch norm.", "layer norm."]
for ax, title, (method, history) in zip(axes, titles, histories.items()):
    steps = range(1, len(history["batch"]) + 1)
    ax.plot(steps, history["batch"], color=plotting.colour(method), linewidth=0.5)
    ax.axhline(0.95, color="black", linewidth=1, linestyle=":")
    ax.set_title(title, fontsize=11)
    ax.set_xlabel("step")
axes[0].set(ylabel="accuracy of the batch", ylim=(0, 1.02))
axes[0].yaxis.set_major_formatter(plotting.PercentFormatter(1))
axes[-1].annotate("95 %", (1.04, 0.95), xycoords=("axes fraction", "data"), va="center")
plt.show()

# %% [markdown]
# All five learn, and the bands overlap. One image in a batch of 128 is worth $100/128$ points of accuracy, so two
# curves of this kind can only be told apart where the methods are far apart. And they say nothing about images
# that the net has not seen.
#
# ### Worth a second look: a memo without a test
#
# The memo never measures test accuracy. We do, and the loss over all training images instead of 128.

# %%
print("after step                                    " + "".join(f"{step:>15,}" for step in checkpoints))
for method, history in histories.items():
    at = [history["step"].index(step) for step in checkpoints]
    cells = [f"{history['loss'][i]:8.3f} {100 * history['test'][i]:4.1f} %" for i in at]
    print(f"{method:46}" + "".join(cells))
print("(training loss, test accuracy)")


# %% tags=["figure"]
def draw_runs(runs, colours=plotting.COLOURS, markers=plotting.MARKERS, first=1):
    fig, axes = plt.subplots(1, 2, figsize=(10.5, 4.4))
    for method, history in runs.items():
        keep = [i for i, step in enumerate(history["step"]) if step >= first]
        steps = [history["step"][i] for i in keep]
        style = dict(color=colours[method], marker=markers[method], label=method)
        axes[0].plot(steps, [history["loss"][i] for i in keep], **style)
        axes[1].plot(steps, [100 * (1 - history["test"][i]) for i in keep], **style)
    for ax, ticks in zip(axes, ([0.1, 0.2, 0.5, 1, 2], [3, 5, 10, 20, 50, 90])):
        ax.set(xscale="log", yscale="log", xlabel="step")
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        shown = [step for step in (1, 10, 100, 1000) if first <= step <= steps[-1]]
        ax.set_xticks(shown, [f"{step:,}" for step in shown])
    axes[0].set(ylabel="loss, all training images", title="Training loss")
    axes[1].set(ylabel="error on the test images (%)", title="Test error")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=10)
    return fig, axes


# %% tags=["figure", "cover"]
fig, axes = draw_runs(histories)
lesson.save_figure(fig, "five-runs")
plt.show()

# %% [markdown]
# Both axes are logarithmic, and lower is better. Now the order is plain to see. Compare it with yours, and with the
# memo's claims: look at weight normalization *without* the initialisation (squares) and at the plain net (circles).

# %%
at = [histories["plain"]["step"].index(step) for step in checkpoints]
keys = ["plain", "weight", "weight_initialised", "batch", "layer"]
losses = {key: [history["loss"][i] for i in at] for key, history in zip(keys, histories.values())}
tests = {key: [history["test"][i] for i in at] for key, history in zip(keys, histories.values())}

lesson.record(
    "S3.c1",
    loss_without=losses["weight"],
    loss_with=losses["weight_initialised"],
    test_accuracy_without=tests["weight"],
    test_accuracy_with=tests["weight_initialised"],
)
lesson.record(
    "S3.c2",
    **{f"{key}_loss": values for key, values in losses.items()},
    **{f"{key}_test_accuracy": values for key, values in tests.items()},
)

# %% [markdown]
# What we record comes from the layers as their papers define them: without the memo's slips, which come further down,
# and with running statistics for batch normalization. These move by a tenth of the way each step. (Keras' default is a
# hundredth: after 100 steps they would still be $0.99^{100} \approx 37\,\%$ what they were at the start.)
#
# ### Worth a second look: where $g$ starts
#
# Without an initialisation from data, $g$ has to start *somewhere*. We chose 1. The other natural choice is
# $g = \lVert v\rVert$, which makes $w = v$: the very function that the plain net starts from.

# %%
same_start = Net(WeightNorm(start1), WeightNorm(start2))
for layer in same_start.layers:
    layer.p["g"] = np.linalg.norm(layer.p["v"], axis=0)
variants = {"weight normalization, g = ‖v‖": train(same_start)}

# %%
print("training loss after step      " + "".join(f"{step:>10,}" for step in checkpoints))
rows = {**histories, **variants}
for method in ["plain", "weight normalization", "weight normalization, g = ‖v‖"]:
    values = [rows[method]["loss"][i] for i in at]
    print(f"{method:30}" + "".join(f"{value:10.4f}" for value in values))
lengths = [np.linalg.norm(v, axis=0).mean() for v in (start1, start2)]
print(f"mean ‖v‖ at the start: {lengths[0]:.2f} in the first layer, {lengths[1]:.2f} in the second")

# %% [markdown]
# One constant decides. Glorot's columns are longer than 1, so $g = 1$ shrinks the weights and, as the
# next box shows, the steps as well. From the same function the two nets stay close,
# beside the gap to the other normalizations: writing weights as length times direction does little here by itself. A claim about "weight normalization" says little without its start.

# %% [markdown]
# ### Worth a second look: a better method, or a longer step?
#
# The initialised net is far ahead. Is it because of where it starts? We write its weights after the
# initialisation, $w = g\hat v$ and $b$, into a *plain* net. And a third suspect: the learning rate. All runs use
# `0.1`, because the memo does. We give the plain net `0.5`. **Which of the two catches up?**

# %%
donor = Net(WeightNorm(start1, from_data=True), WeightNorm(start2, from_data=True))
donor.forward(x_train[batches[0]])
recipient = Net(Dense(start1), Dense(start2))
for giver, taker in zip(donor.layers, recipient.layers):
    taker.p = {"w": giver.p["g"] * giver.v_hat, "b": giver.p["b"]}

variants["plain, initialised net's start"] = train(recipient)
variants["plain, rate 0.5"] = train(Net(Dense(start1), Dense(start2)), rate=0.5)

# %% tags=["figure"]
shown = {
    "plain": "#595959",
    "plain, initialised net's start": "#E69F00",
    "plain, rate 0.5": "#56B4E9",
    INITIALISED: plotting.colour(INITIALISED),
}
markers = dict(zip(shown, "oPX^"))
fig, axes = draw_runs(
    {method: {**histories, **variants}[method] for method in shown}, shown, markers, first=10
)
axes[0].set_title("Training loss: not the start, but the step")
plt.show()

# %% [markdown]
# The start alone wins next to nothing in the long run. A longer step does: with rate `0.5` the plain net keeps up with the
# initialised one, once the first steps are over. Where does weight normalization get its longer steps? The
# gradient reaches $v$ multiplied by $g/\lVert v\rVert$, and moving $v$ moves $w = g\hat v$ by that factor again:
# the step in $w$ is $(g/\lVert v\rVert)^2$ times as long.

# %%
for name, layer, v in zip(("first", "second"), donor.layers, (start1, start2)):
    squares = np.linalg.norm(v, axis=0) ** 2
    without, initialised = np.median(1 / squares), np.median(layer.p["g"] ** 2 / squares)
    print(
        f"{name:6} layer: steps {without:.1f} times as long with g = 1, {initialised:.1f} times initialised"
    )
print("(median over the units, at the start)")

# %% [markdown]
# So "learns faster at rate `0.1`" is true and is not the whole truth. Normalization sets the scale of a step,
# unit by unit, so that a rate need not be found by trial. What the memo compares is normalization against a rate
# that was too small for the plain net. A fair comparison tunes the rate for each (question 2).

# %% [markdown]
# ## The memo's slips
#
# Three more places deserve a look. Each is a slip that anybody could make, and each is instructive because the
# net learns anyway.
#
# ### Worth a second look: times or divided by
#
# To start the second layer with mean 0, $y = g\,t + b$ needs $b = -\mu/\sigma$. The memo has $b = -\mu\cdot\sigma$
# there. Where do the ten outputs start, and does the net recover?


# %%
class Times(WeightNorm):
    def initialise(self, mean, deviation):
        self.p |= {"g": 1 / deviation, "b": -mean * deviation}


def output_means(second):
    net = Net(WeightNorm(start1, from_data=True), second)
    net.forward(x_train[batches[0]])
    return net.forward(x_train[batches[0]]).mean(axis=0)


starts = {"as derived": output_means(WeightNorm(start2, from_data=True))}
starts["the memo's"] = output_means(Times(start2, from_data=True))
variants["the memo's b"] = train(Net(WeightNorm(start1, from_data=True), Times(start2, from_data=True)))

# %% tags=["figure"]
fig, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.6), width_ratios=(1, 1.3))
for means, name, marker, colour in zip(starts.values(), starts, "^o", ("#D55E00", "#000000")):
    left.plot(range(10), means, marker, color=colour, label=name, markersize=7)
left.set(xlabel="output unit", ylabel="mean over the first batch", title="Where the outputs start")
left.set_xticks(range(10))
for history, name, marker, colour, dash in [
    (histories[INITIALISED], "as derived", "^", "#D55E00", "-"),
    (variants["the memo's b"], "the memo's", "o", "#000000", "--"),
]:
    right.plot(history["step"], history["loss"], dash, marker=marker, color=colour, label=name)
right.set(xscale="log", yscale="log", xlabel="step", ylabel="loss, all training images")
right.set_title("Training hardly notices")
right.minorticks_off()
right.set_yticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
shown_steps = [step for step in (1, 10, 100, 1000) if step <= history["step"][-1]]
right.set_xticks(shown_steps, [f"{step:,}" for step in shown_steps])
left.legend()
right.legend()
plt.show()

# %% [markdown]
# On the left the slip is obvious; on the right it is gone. $b$ is trained like every other parameter, and a bias
# in the last layer is quickly unlearned. The learning curve was never going to find this error. One line that tests what the
# initialisation promises, outputs of mean 0, finds it at once:

# %% tags=["nbval-check-output"]
for name, means in starts.items():
    print(f"{name}: all ten means below 0.001 in size: {bool(np.abs(means).max() < 1e-3)}")

# %% [markdown]
# ### Worth a second look: one scale per place in the batch
#
# The memo's layer normalization gives $\gamma$ and $\beta$ the shape (batch size): the first image in the batch gets
# the first scale, whichever image it is. What happens when there are not 128 images?


# %%
class PerPlace(Normalized):
    def __init__(self, w):
        super().__init__(w, axis=1)
        self.p |= {"gamma": np.ones((128, 1), w.dtype), "beta": np.zeros((128, 1), w.dtype)}

    def backward(self, dy):
        dx = super().backward(dy)
        self.grad["gamma"] = (dy * self.t_hat).sum(axis=1, keepdims=True)
        self.grad["beta"] = dy.sum(axis=1, keepdims=True)
        return dx


# %% tags=["nbval-check-output"]
try:
    Net(PerPlace(start1), Dense(start2)).forward(x_test[:100])
except ValueError:
    print("100 images do not fit a layer with 128 scales.")

# %% [markdown]
# So it cannot be applied to the test set. To score it all the same we cut the images into blocks of 128 and
# leave out what remains. **How much worse will it learn?**


# %%
class InBlocks(Net):
    def forward(self, x, training=True):
        if len(x) == 128:
            return super().forward(x, training)
        whole = len(x) // 128 * 128
        return np.concatenate(
            [super(InBlocks, self).forward(block) for block in np.split(x[:whole], whole // 128)]
        )


per_place = InBlocks(PerPlace(start1), Dense(start2))
variants["per place"] = train(per_place)

# %%
print("training loss after step" + "".join(f"{step:>10,}" for step in checkpoints))
for name, history in [("per unit", histories["layer normalization"]), ("per place", variants["per place"])]:
    print(f"{name:24}" + "".join(f"{history['loss'][i]:10.4f}" for i in at))

# %% [markdown]
# Almost nothing is lost, and again the curve would never have told. Batches are drawn at random, so every place sees the
# same kind of image, and the 128 scales are 128 noisy copies of a single number. But they are not equal: the answer to an image depends
# on its place. We put the same 500 test images in each of the 128 places in turn.

# %%
few = x_test[: 50 if lesson.quick else 500]
hidden = per_place.first
hidden.forward(np.broadcast_to(few[0], (128, 784)))
answers = []
for image in few:
    logits = per_place.forward(np.broadcast_to(image, (128, 784)))  # the image in all places at once
    answers.append(np.exp(log_softmax(logits)).max(axis=1))
ranges = np.ptp(answers, axis=1)

gammas = hidden.p["gamma"]
print(f"gamma over the places: mean {gammas.mean():.3f}, from {gammas.min():.3f} to {gammas.max():.3f}")
print(
    f"probability of the predicted class, largest minus smallest over the places: {ranges.mean():.4f} on average,"
)
print(f"{ranges.max():.4f} for the image that minds most")

# %% [markdown]
# Small, because the 128 scales end up so alike; and real, because a prediction should be a function of
# the image.
#
# ### Worth a second look: an image and its companions
#
# The memo's batch normalization keeps no running statistics. At inference, then, each image is standardized with the
# mean and variance of whatever else is in its batch. **How many predictions change if you only change the
# companions? And what happens to an image that comes alone?**
#
# We deal the test images into random batches of different sizes and compare each prediction with the one that
# running statistics give, which is the same in any company.

# %%
by_batch = copy.deepcopy(
    nets["batch normalization"]
)  # predicting this way would disturb its running statistics
settled = by_batch.forward(x_test, training=False).argmax(axis=1)
labels = y_test.argmax(axis=1)


def deal(size, n_images):
    order = rng.permutation(len(x_test))[: n_images // size * size].reshape(-1, size)
    predicted = np.concatenate([by_batch.forward(x_test[batch]).argmax(axis=1) for batch in order])
    order = order.ravel()
    return np.mean(predicted != settled[order]), np.mean(predicted == labels[order])


# %%
sizes = [2**k for k in range(0, 9 if lesson.quick else 12)]
changed, correct = np.transpose([deal(size, min(len(x_test), 2000 * size)) for size in sizes])
for size, share, right_share in list(zip(sizes, changed, correct))[::2]:
    print(
        f"batches of {size:>4}: {100 * share:5.1f} % of predictions change, {100 * right_share:5.1f} % correct"
    )
print(f"running statistics: none change, {100 * np.mean(settled == labels):.1f} % correct")

# %% tags=["figure"]
fig, ax = plt.subplots(figsize=(7.2, 4.0))
green = plotting.colour("batch normalization")
ax.plot(sizes, 100 * correct, "D-", color=green, label="statistics of the batch, as in the memo")
ax.axhline(100 * np.mean(settled == labels), color="black", linestyle="--", label="running statistics")
ax.axhline(10, color="grey", linestyle=":", linewidth=1)
ax.annotate("guessing", (sizes[-1], 10), va="bottom", ha="right", color="grey")
ax.set_xscale("log", base=2)
ax.set_xticks(sizes[::2], [str(size) for size in sizes[::2]])
ax.set(xlabel="images predicted together", ylabel="correct test predictions (%)", ylim=(0, 102))
ax.set_title("One net, the same images: what counts is the company")
ax.legend(loc="lower right", bbox_to_anchor=(1, 0.15))
plt.show()

# %% [markdown]
# An image alone is its own mean: $t - \mu = 0$, so $y = \beta$ whatever it shows, and every image gets the same answer.
# With more companions the batch's statistics come nearer to everybody's. Now a batch that is large but not
# mixed: all the sevens of the test set together, then all the ones, and so on.

# %%
alike = [np.mean(by_batch.forward(x_test[labels == digit]).argmax(axis=1) == digit) for digit in range(10)]
mixed = [np.mean(settled[labels == digit] == digit) for digit in range(10)]
print("digit               " + "".join(f"{digit:6}" for digit in range(10)))
print("running statistics  " + "".join(f"{100 * share:6.1f}" for share in mixed) + "  % correct")
print("only its own kind   " + "".join(f"{100 * share:6.1f}" for share in alike) + "  % correct")

# %% [markdown]
# What all images of a batch have in common is the mean, and the mean is subtracted. For a batch of sevens, that
# is what makes them sevens. A sorted test set, a stream from a single user, one patient's scans: in production such batches are
# the rule. Running statistics cure it, and a test set in random order would never have shown the illness.

# %% [markdown]
# ## The memo's future work: a convolution
#
# The memo leaves convolutions and recurrent nets for later. For weight normalization a convolution is the same
# layer with another product: $\lVert v\rVert$ runs over everything but the last axis, as do mean and
# variance in the initialisation.


# %%
class KerasWeightNormConv(KerasWeightNorm):
    def kernel(self, n_in):
        return (5, 5, n_in, self.units)

    def product(self, x, v_hat):
        return tf.nn.conv2d(x, v_hat, strides=1, padding="VALID")

    def initialise(self, x):
        mean, var = tf.nn.moments(self.t(x), axes=[0, 1, 2])
        self.g.assign(1 / tf.sqrt(var + 1e-10))
        self.b.assign(-mean / tf.sqrt(var + 1e-10))


# %% [markdown]
# Filters of 5 × 5, max-pooling, and a dense layer; again plain gradient descent with rate `0.1` and batches of 128. We look at
# the test images every fifty steps.

# %%
images_train, images_test = (x.reshape(-1, 28, 28, 1) for x in (x_train, x_test))


def convnet(first):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            first,
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )


# %%
def fit(net, images, test_images, label, epochs):
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"], **lesson.fast_conv)
    return net.fit(
        shuffled(images, y_train, batch_size=128).repeat(),
        steps_per_epoch=4 if lesson.quick else 50,
        epochs=lesson.epochs(epochs),
        validation_data=(test_images, y_test),
        validation_batch_size=256,
        verbose=0,
        callbacks=[lesson.progress(label)],
    ).history


# %%
convolutions = {}
lesson.set_seed()
net = convnet(keras.layers.Conv2D(16, 5))
convolutions["plain"] = fit(net, images_train, images_test, "plain convolution", epochs=10)

lesson.set_seed()
net = convnet(KerasWeightNormConv(16))
net.layers[0].initialise(images_train[batches[0]])
convolutions[INITIALISED] = fit(net, images_train, images_test, "weight-normalized convolution", epochs=10)

# %% [markdown]
# ## … and an LSTM
#
# For a recurrent net the authors of layer normalization standardize the sums that enter the gates: inputs
# and recurrent part each by itself, over the units, with a gain for each unit and one bias. (They treat the cell's output too; we leave
# that out.) At every time step an example has its own mean, so nothing has to be kept.


# %%
class LSTMCell(keras.layers.Layer):
    def __init__(self, units, normalize):
        super().__init__()
        self.units, self.normalize = units, normalize
        self.state_size, self.output_size = [units, units], units

    def build(self, shape):
        wide, add = 4 * self.units, self.add_weight
        self.w = add(name="w", shape=(shape[-1], wide), initializer="glorot_uniform")
        self.u = add(name="u", shape=(self.units, wide), initializer="orthogonal")
        self.b = add(name="b", shape=(wide,), initializer="zeros")
        if self.normalize:
            self.gain_x = add(name="gain_x", shape=(wide,), initializer="ones")
            self.gain_h = add(name="gain_h", shape=(wide,), initializer="ones")

    def call(self, x, states):
        h, c = states
        from_x, from_h = x @ self.w, h @ self.u
        if self.normalize:
            from_x, from_h = self.gain_x * standardize(from_x), self.gain_h * standardize(from_h)
        i, f, new, o = tf.split(from_x + from_h + self.b, 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(new)
        h = tf.sigmoid(o) * tf.tanh(c)
        return h, [h, c]


# %%
def standardize(t):
    mean, var = tf.nn.moments(t, axes=[1], keepdims=True)
    return (t - mean) / tf.sqrt(var + 1e-5)


# %% [markdown]
# Without normalization our cell should be Keras' own LSTM. Before we compare anything with it, we check that it is.

# %% tags=["nbval-check-output"]
rows_train, rows_test = x_train.reshape(-1, 28, 28), x_test.reshape(-1, 28, 28)
ours, theirs = keras.layers.RNN(LSTMCell(64, normalize=False)), keras.layers.LSTM(64)
theirs(rows_test[:8]), ours(rows_test[:8])
ours.set_weights(theirs.get_weights())
gap = np.abs(np.asarray(ours(rows_test[:8])) - np.asarray(theirs(rows_test[:8]))).max()
print("our cell gives the outputs of keras.layers.LSTM, to 1e-5:", bool(gap < 1e-5))

# %%
recurrent = {}
for method, normalize in [("plain", False), ("layer normalization", True)]:
    lesson.set_seed()
    layers = [keras.Input((28, 28)), keras.layers.RNN(LSTMCell(64, normalize)), keras.layers.Dense(10)]
    label = f"LSTM, {method}"
    recurrent[method] = fit(keras.Sequential(layers), rows_train, rows_test, label, epochs=10)

# %% tags=["figure"]
fig, axes = plt.subplots(1, 2, figsize=(10.5, 4.0), sharey=True)
for ax, runs, title in zip(axes, (convolutions, recurrent), ("A convolution", "An LSTM, row by row")):
    for method, history in runs.items():
        accuracies = 100 * np.array(history["val_accuracy"])
        style = dict(color=plotting.colour(method), marker=plotting.MARKERS[method], label=method)
        ax.plot(np.arange(1, len(accuracies) + 1) * (4 if lesson.quick else 50), accuracies, **style)
    ax.set(xlabel="step", title=title, ylim=(0, 101))
    ax.legend(loc="lower right", fontsize=10)
axes[0].set_ylabel("accuracy on the test images (%)")
plt.show()

# %%
for kind, runs in [("convolution", convolutions), ("LSTM", recurrent)]:
    for method, history in runs.items():
        first, last = history["val_accuracy"][0], history["val_accuracy"][-1]
        print(f"{kind:12}{method:46}{100 * first:5.1f} % … {100 * last:5.1f} %")

# %% [markdown]
# Look at the right panel first: at this rate the recurrent net gains more from normalization than the
# convolution does. What we learned above still holds: both comparisons are made at one rate, the memo's. They show that the
# layers work, and not by how much the best normalized net beats the best plain one.

# %% [markdown]
# ## Verdicts
#
# The memo's two claims, measured over several seeds on two software stacks, in full mode on the real MNIST. The five nets are
# NumPy's alone, so with the same seeds the two stacks agree but for rounding: count them as one confirmation, not as two.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("S3")

# %% [markdown]
# ## What to take away
#
# - The gradient of a normalization has three paths: through the value, the mean and the deviation. Together they remove
#   what the layer would undo anyway.
# - Check a derivation by automatic differentiation, at parameters that are not 0 or 1, and see the check fail once.
# - Weight normalization is a parametrisation *and* a start. Without the second, the first does little here.
# - Much of "learns faster" was a longer step. Compare methods at a rate that suits each.
# - None of the memo's slips shows in a learning curve. Tests of what a layer promises find them: outputs of mean 0, any batch size,
#   the same answer in any company.
#
# **Today** you would write `keras.layers.BatchNormalization` (mind its momentum in short trainings) or
# `LayerNormalization`, and let automatic differentiation do the rest; Keras calls ε 1e-3 in both. Layer normalization and its
# relatives are the standard in transformers, batch normalization lives on in convolutional nets. For weight normalization
# the course brings a layer (lesson 05). By hand is for learning, and for the day when a library has your layer wrong.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** You train with the tempting gradient beside the right one, from the same weights and on the same batches. What agrees at the first step, which
# gradients are wrong, and why does the net learn at all?
#
# <details><summary>An answer</summary>
#
# The forward pass is the same, so the first losses are equal. So are the gradients of $\gamma$, $\beta$ and the layer above, which need no
# path through $\mu$ and $\sigma$. Wrong is $\bar t$, and with it $\bar w$ and all that lies below. The wrong $\bar t$ is the right
# one and two parts more, along the ones and along $\hat t$. The net learns from what is right in it.
#
# </details>
#
# **2.** To be fair, you try four rates for each method and keep the one with the best test accuracy after 2,000 steps. What could a referee
# still object to?
#
# <details><summary>An answer</summary>
#
# The test images chose the rate, so they are no longer images that the choice has not seen; hold some of the training images out for it. Where the
# best rate is the largest or smallest that you tried, a better one may lie beyond. The best rate after 2,000 steps need not be
# the best after 100. And one seed does not tell a better rate from a lucky one.
#
# </details>
#
# **3.** Scaling a column of $w$ does not change what batch normalization puts out, but for $\varepsilon$. What does that say about
# $\bar w \cdot w$, column by column, and about the length of the column as gradient descent goes on?
#
# <details><summary>An answer</summary>
#
# Along the column itself the loss does not change, so the gradient has no part in that direction: $\bar w \cdot w = 0$. A step at right angles
# makes the column longer, by Pythagoras. And the gradient is inversely proportional to its length, so the
# longer the column, the shorter the steps: a rate that falls by itself. The direction $v$ of weight normalization behaves alike.
#
# </details>
#
# **4.** Our normalized layers have $\gamma$ and $\beta$, but add no bias $b$ to $t$. What would be the gradient of such a bias in batch
# normalization, and what in layer normalization?
#
# <details><summary>An answer</summary>
#
# In batch normalization zero: $\bar b$ sums $\bar t$ over the examples, and the formula has taken that mean out. The unit's own mean removes the
# bias at once. Layer normalization takes the mean over the units, so only what all units' biases have in common is removed: their
# gradients add up to zero, and each by itself need not be zero.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each has a cell to fill in and a check below it, which tries your code on inputs of its own and answers in a sentence. The solutions are in
# [a notebook of their own](solutions/04_normalization_by_hand.ipynb); any code that does what the card asks passes.

# %% tags=["given"]
import matplotlib.pyplot as plt
import numpy as np

from course_utils.checks import check
from course_utils.data import load_mnist

# %% [markdown] tags=["exercise"]
# ### 1 · Gradients without a formula
#
# *15 minutes.* **What.** Write `numerical_gradient`: the gradient of `loss`, a function from an array to a number, at `x`. Move one entry a
# small step up and a small step down, and divide the difference of the losses by the distance between the two; then the next entry. `x` may
# have any shape, single precision, or whole numbers, and is to be left as it is.
#
# **Why.** Our derivations had automatic differentiation to check them. This check needs no framework, and
# it does not ask how the function was written.


# %% tags=["exercise"]
def numerical_gradient(loss, x, step=1e-6):
    """The gradient of loss at x by differences of both sides: an array of x's shape, in double precision."""
    ...


# %% tags=["solution"]
def numerical_gradient(loss, x, step=1e-6):
    """The gradient of loss at x by differences of both sides: an array of x's shape, in double precision."""
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        up, down = x.astype("float64"), x.astype("float64")
        up[place] += step
        down[place] -= step
        gradient[place] = (loss(up) - loss(down)) / (2 * step)
    return gradient


# %% tags=["check"]
check("numerical_gradient")

# %% tags=["solution"]
rng = np.random.default_rng(42)
x, dy, w = rng.normal(size=(6, 5)), rng.normal(size=(6, 4)), rng.normal(size=(5, 4))


def by_hand(axis):
    layer = Normalized(w, axis)
    layer.forward(x)
    layer.backward(dy)
    return layer.grad["w"]


def by_differences(axis, precision="float64", step=1e-6):
    x_there, dy_there = x.astype(precision), dy.astype(precision)
    return numerical_gradient(
        lambda w: (dy_there * Normalized(w.astype(precision), axis).forward(x_there)).sum(), w, step
    )


# %% tags=["solution"]
def relative_error(axis, *options):
    exact = by_hand(axis)
    return np.abs(by_differences(axis, *options) - exact).max() / np.abs(exact).max()


print(f"batch normalization, by hand and by differences: {relative_error(axis=0):.0e} apart")
print(f"layer normalization, by hand and by differences: {relative_error(axis=1):.0e} apart")

# %% tags=["solution"]
steps = 10.0 ** np.arange(-9, 0.5, 0.5)
fig, ax = plt.subplots()
for precision, marker, colour in [("float32", "s", "#D55E00"), ("float64", "o", "#0072B2")]:
    errors = [relative_error(1, precision, step) for step in steps]
    label = {"float32": "single precision", "float64": "double precision"}[precision]
    ax.loglog(steps, errors, marker=marker, color=colour, label=label)
ax.set(xlabel="step", ylabel="worst relative error of the gradient", ylim=(1e-12, 1e3))
ax.set_title("Short steps drown in rounding, long ones leave the tangent")
ax.legend()
plt.show()

# %% [markdown] tags=["solution"]
# Read it from the right. First the error falls with the square of the step: the curvature cancels between the two sides, and what is left is how the
# curvature changes. Then rounding takes over, and the shorter the step, the more the division blows it up. In double precision there is
# plenty of room between the two, in single precision little. So a check by differences wants double precision.

# %% [markdown] tags=["exercise"]
# ### 2 · The gradient of RMS normalization
#
# *25 minutes.* **What.** RMS normalization divides each example by $r = \sqrt{\langle x^2\rangle + \varepsilon}$, with the mean over its
# features, and subtracts nothing: $y = \gamma\,x/r$. Write `rms_backward`, which gets $\bar y$ and gives $\bar x$ and $\bar\gamma$. Count the
# paths from $x_i$ to the loss before you derive anything; exercise 1 tells you whether you found them all.
#
# **Why.** It is the normalization of many large language models. And a derivation that you have only read is not yet yours.


# %% tags=["exercise"]
def rms_backward(dy, x, gamma, epsilon=1e-6):
    """dx and dgamma from dy, for y = gamma * x / r; dy, x, dx: (examples, features), gamma: (features,)."""
    ...


# %% tags=["solution"]
def rms_backward(dy, x, gamma, epsilon=1e-6):
    """dx and dgamma from dy, for y = gamma * x / r; dy, x, dx: (examples, features), gamma: (features,)."""
    r = np.sqrt((x**2).mean(axis=1, keepdims=True) + epsilon)
    x_hat = x / r
    dx_hat = gamma * dy
    stretch = (dx_hat * x_hat).mean(axis=1, keepdims=True)
    return (dx_hat - x_hat * stretch) / r, (dy * x_hat).sum(axis=0)


# %% tags=["check"]
check("rms_backward")

# %% tags=["solution"]
x, dy = rng.normal(1, 1, (200, 8)), rng.normal(size=(200, 8))
layer_norm = Normalized(np.eye(8), axis=1)  # with w = 1 its t is x
layer_norm.forward(x)
gradients = {"RMS": rms_backward(dy, x, np.ones(8))[0], "layer": layer_norm.backward(dy)}


def largest_cosine(a, b):
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.abs((a * b).sum(axis=1) / lengths).max()


print("normalization   gradient and x   gradient and (1, …, 1)   (largest cosine over 200 examples)")
for name, dx in gradients.items():
    print(f"{name:14}{largest_cosine(dx, x):16.3f}{largest_cosine(dx, np.ones_like(x)):25.3f}")

# %% [markdown] tags=["solution"]
# Two paths: through $x_i$ itself, and through $r$. What the layer ignores, its gradient leaves out. Stretching an example changes nothing in either
# layer, so both gradients stand at right angles to $x$. Shifting it changes nothing in layer normalization only, and only its gradient stands at
# right angles to the ones as well. The mean that is not taken is the term that is missing from the formula.

# %% [markdown] tags=["exercise"]
# ### 3 · Statistics for inference
#
# *20 minutes.* **What.** Of each batch you have kept three things: the mean of every unit, its variance, and how many images there were. Write
# `pooled_statistics`, which gives the mean and the variance over *all* images, as if you had kept them. It has to be exact, for batches of
# different sizes and however they were put together.
#
# **Why.** Batch normalization needs these two at inference, and the images never fit into memory at once. The lesson's running
# statistics average the batches' variances. Is that the variance of all?


# %% tags=["exercise"]
def pooled_statistics(means, variances, sizes):
    """Mean and variance of all images, (units,) each; means, variances: (batches, units), sizes: (batches,)."""
    ...


# %% tags=["solution"]
def pooled_statistics(means, variances, sizes):
    """Mean and variance of all images, (units,) each; means, variances: (batches, units), sizes: (batches,)."""
    share = (sizes / sizes.sum())[:, None]
    mean = (share * means).sum(axis=0)
    within = (share * variances).sum(axis=0)
    between = (share * (means - mean) ** 2).sum(axis=0)
    return mean, within + between


# %% tags=["check"]
check("pooled_statistics")

# %% tags=["solution"]
mnist = lesson.data(load_mnist())
images = mnist.x_train.reshape(len(mnist.x_train), -1) / np.float32(255)
t = images @ rng.normal(0, 784**-0.5, (784, 128)).astype("float32")  # what a first layer would normalize


def estimates(order, size):
    batches = t[order[: len(order) // size * size]].reshape(-1, size, t.shape[1]).astype("float64")
    means, variances = batches.mean(axis=1), batches.var(axis=1)
    pooled = pooled_statistics(means, variances, np.full(len(means), size))[1]
    true = batches.var(axis=(0, 1))
    return variances.mean(axis=0) / true, pooled / true


# %% tags=["solution"]
sizes = [2**k for k in range(0, 7 if lesson.quick else 11)]
orders = {"random": rng.permutation(len(t)), "sorted by digit": np.argsort(mnist.y_train, kind="stable")}
found = {name: np.array([estimates(order, size) for size in sizes]) for name, order in orders.items()}
gap = max(np.abs(ratios[:, 1] - 1).max() for ratios in found.values())
print(f"pooled, in either order: every unit within {gap:.0e} of its true variance, relatively")

# %% tags=["solution"]
fig, ax = plt.subplots()
for (name, ratios), marker, colour in zip(found.items(), "os", ("#0072B2", "#D55E00")):
    averaged, pooled = np.median(ratios, axis=2).T
    ax.plot(sizes, averaged, marker=marker, color=colour, label=f"variances averaged, {name}")
ax.plot(sizes, pooled, "D--", color="black", markerfacecolor="white", label="pooled, sorted by digit")
ax.set_xscale("log", base=2)
ax.set_xticks(sizes[::2], sizes[::2])
ax.set(xlabel="images in a batch", ylabel="estimated ÷ true variance", ylim=(0, 1.1))
ax.set_title("What the batches' means differ by is missing from the average")
ax.legend(loc="lower right")
plt.show()

# %% [markdown] tags=["solution"]
# Each point is the median over the 128 units. Averaged variances leave out how the batches' means differ. In random order that matters for small
# batches: with $m$ images the share $1/m$ is missing, and the factor $m/(m-1)$ of Ioffe and Szegedy makes up for it. Sorted by digit a gap stays
# at every size drawn here, for what tells the digits apart lies *between* the batches. Pooled, nothing is missing in either order.

# %% [markdown]
# ## References
#
# - S. Ioffe, C. Szegedy, *Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift*,
#   2015, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167): the layer, its gradient, and population statistics at inference.
# - J. L. Ba, J. R. Kiros, G. E. Hinton, *Layer Normalization*, 2016, [arXiv:1607.06450](https://arxiv.org/abs/1607.06450): statistics
#   over the units, gains and biases for each unit, and the recurrent form.
# - T. Salimans, D. P. Kingma, *Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural
#   Networks*, 2016, [arXiv:1602.07868](https://arxiv.org/abs/1602.07868): length and direction, their gradients, and the
#   initialisation from data.
