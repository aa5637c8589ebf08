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
# # 09 · Conditional gradient
#
# Suppose you want the weights of a net to stay small, and mean it: not small on average, not small if the loss
# allows, but inside a ball of a given radius at every step. There is an optimizer from 1956 that
# promises just this, and it takes one line. This lesson tries it, checks the promise after every step, and then asks an
# uncomfortable question: when it trains better than its rival, is it the ball that did it?
#
# | | |
# |---|---|
# | **You will learn** | to minimise over a ball without ever leaving it · to take an update rule apart and find an old acquaintance in it · to find a fair learning rate for the rival · to read from the norms of the weights what their gradients did |
# | **You need** | gradient descent, weight decay; lesson 00 |
# | **Reproduces** | the TensorFlow Addons tutorial [*Optimizers: ConditionalGradient*](https://www.tensorflow.org/addons/tutorials/optimizers_conditionalgradient) |
# | **The idea** | Frank & Wolfe 1956; for deep nets Ravi and others 2018, [*Constrained Deep Learning using Conditional Gradient*](https://arxiv.org/abs/1803.06453) |
# | **Time** | in full mode as it says above; in quick mode (`COURSE_MODE=quick`) a minute or two |

# %%
from course_utils.lesson import Lesson

lesson = Lesson("10_conditional_gradient")

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from matplotlib.ticker import PercentFormatter

from course_utils import plotting
from course_utils.addons import ConditionalGradient
from course_utils.data import load_cifar10, load_mnist
from course_utils.lr_finder import lr_find
from course_utils.training import progress_bar, restart, shuffled

# %% [markdown]
# ## A step that cannot leave the ball
#
# Small weights regularise: a net with small weights is a smoother function. There are three ways to get them.
#
# - A **penalty** adds the weights' size to the loss. It pulls, and guarantees nothing.
# - A **projection** lets a step go where it likes and then puts the weights back into the allowed set. For a ball that is a
#   division; for other sets it can cost more than the step.
# - **Conditional gradient** never leaves. It asks: if the loss were linear, with slope $\nabla$, which point $s$ of the set would be
#   best? Then it goes a part of the way from $w$ to $s$.
#
# For a ball of radius $\lambda$ around the origin the answer needs no search: the best point lies straight downhill, on the surface,
#
# $$s = -\lambda\,\frac{\nabla}{\lVert\nabla\rVert}, \qquad w \leftarrow \eta\, w + (1-\eta)\, s .$$
#
# The new $w$ lies on the straight line between two points of the ball. A ball has no dents, so it lies inside.


# %%
def step(w, gradient, eta, radius):
    s = -radius * gradient / np.linalg.norm(gradient)
    return eta * w + (1 - eta) * s


def path_to(target, eta=0.9, radius=1.0, steps=60):
    path = [np.array([-0.3, -0.85])]
    for _ in range(steps):
        gradient = np.array([1.0, 3.0]) * (path[-1] - target)  # of a bowl, steeper in the second weight
        path.append(step(path[-1], gradient, eta, radius))
    return np.array(path)


# %% [markdown]
# Mind the names. The factor $\eta$ is called `learning_rate` by the source, and it is what is *kept*: a larger one
# means a smaller step.
#
# We send a point after two targets, one outside the ball, one inside. **What will it do in each case?**

# %%
targets = {"outside": np.array([1.2, 0.7]), "inside": np.array([0.45, 0.3])}
paths = {where: path_to(target) for where, target in targets.items()}

# %% tags=["figure"]
fig, panels = plt.subplots(1, 2, figsize=(9.6, 4.3), sharex=True, sharey=True)
titles = {"outside": "Target outside: stops at the surface", "inside": "Target inside: never settles"}
for ax, (where, path) in zip(panels, paths.items()):
    ax.add_patch(plt.Circle((0, 0), 1, color="#0072B2", alpha=0.12))
    ax.plot(*path.T, "o-", color="#0072B2", markersize=4, linewidth=1.2, label="w, step by step")
    ax.plot(*targets[where], "k*", markersize=13, markerfacecolor="none", linestyle="none", label="target")
    ax.annotate("start", path[0], xytext=(7, -4), textcoords="offset points")
    ax.set(aspect="equal", xlabel="first weight", title=titles[where], xlim=(-1.1, 1.45), ylim=(-1.1, 1.1))
inset = panels[1].inset_axes([0.66, 0.02, 0.33, 0.36], xticks=[], yticks=[])
inset.plot(*paths["inside"][-20:].T, "o-", color="#0072B2", markersize=4, linewidth=1.2)
inset.plot(*targets["inside"], "k*", markersize=13, markerfacecolor="none")
inset.set(xlim=(0.32, 0.58), ylim=(0.17, 0.43), title="the last 20 steps")
inset.title.set(fontsize=9, fontweight="normal")
panels[1].indicate_inset_zoom(inset)
panels[0].set_ylabel("second weight")
panels[0].legend(loc="upper left")
plt.show()

# %% tags=["nbval-check-output"]
for where, path in paths.items():
    lengths = np.linalg.norm(path, axis=1)
    moved = np.linalg.norm(np.diff(path[-20:], axis=0), axis=1)
    print(
        f"target {where:7}: largest norm {lengths.max():.3f}, last steps {moved.min():.3f} to {moved.max():.3f} long"
    )

# %% [markdown]
# The promise holds in both. But look at the right panel: the point has found the target and cannot stop there; it goes round and
# round beside it. The length of
# $s$ is $\lambda$ whatever the gradient, so a step from near the origin is always about $(1-\eta)\lambda$ long. Frank and Wolfe let
# $1-\eta$ shrink from step to step. The source keeps it fixed. Remember this picture when its accuracies jump about.
#
# ## The source's two runs
#
# MNIST, flattened and scaled to [0, 1]; two hidden layers of 64; batches of 64; ten epochs; after each a look at the
# test images. The ball holds for each variable by itself, biases too.

# %%
mnist = lesson.data(load_mnist())
x_train, x_test = (images.reshape(-1, 784) / np.float32(255) for images in (mnist.x_train, mnist.x_test))
y_train, y_test = mnist.y_train, mnist.y_test


# %%
def frobenius_norm(weights):
    """The norm of all the weights together, as if they were one long vector."""
    return float(np.sqrt(sum(np.sum(np.square(w.numpy())) for w in weights)))


class NormRecorder(keras.callbacks.Callback):
    """Keeps the norm of all trainable weights, before the training and after each epoch."""

    def on_train_begin(self, logs=None):
        self.norms = [frobenius_norm(self.model.trainable_variables)]

    def on_epoch_end(self, epoch, logs=None):
        self.norms.append(frobenius_norm(self.model.trainable_variables))


# %% [markdown]
# To check the promise later, the net notes after every single step how large each of its variables has become.

# %%
largest = tf.Variable(tf.zeros(6))  # one for each kernel and each bias


class WatchedNet(keras.Sequential):
    def train_step(self, *args):
        logs = super().train_step(*args)
        norms = [tf.norm(tf.convert_to_tensor(variable)) for variable in self.trainable_variables]
        largest.assign(tf.maximum(largest, norms))
        return logs


def compiled(optimizer, hidden=(64, 64), inputs=784, kind=keras.Sequential, speed=lesson.fast):
    dense = [keras.layers.Dense(units, activation="relu") for units in hidden]
    net = kind([keras.Input((inputs,)), *dense, keras.layers.Dense(10, activation="softmax")])
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **speed)
    return net


# %%
def train(net, label, epochs=10):
    """Train from the lesson's seed; return the history, with the weights' norm in it."""
    recorder = NormRecorder()
    history = restart(net, lesson.seed).fit(
        shuffled(x_train, y_train, 64),
        epochs=lesson.epochs(epochs),
        validation_data=(x_test, y_test),
        verbose=0,
        callbacks=[lesson.progress(label), recorder],
    )
    return {**history.history, "norm": recorder.norms}


# %% [markdown]
# `restart` gives a net fresh weights from a seed, so all runs of this lesson begin alike. The source compares
# `ConditionalGradient(0.99949, lambda_=203)` with `SGD(0.01)`. **What do you expect of the two numbers that look so carefully
# chosen?**

# %%
eta, radius = 0.99949, 203.0
runs = {}

conditional = compiled(ConditionalGradient(learning_rate=eta, lambda_=radius), kind=WatchedNet)
runs["conditional gradient"] = train(conditional, "conditional gradient")
largest_in_source_run = largest.numpy()
norms_of_source_run = [np.linalg.norm(w.numpy()) for w in conditional.trainable_weights]

# %%
sgd = compiled(keras.optimizers.SGD(0.01))
runs["SGD"] = train(sgd, "SGD")

# %% tags=["figure"]
print("           conditional gradient           SGD")
print("epoch     loss     acc  val acc        loss     acc  val acc")
columns = [run[key] for run in runs.values() for key in ("loss", "accuracy", "val_accuracy")]
for number, row in enumerate(zip(*columns), start=1):
    print("{:>5}   {:.4f}  {:.4f}   {:.4f}      {:.4f}  {:.4f}   {:.4f}".format(number, *row))

# %% [markdown]
# And beside the source's log, in its first and its last epoch:

# %%
source = {
    "conditional gradient": {
        "loss": [0.6034, 0.1968, 0.1502, 0.1349, 0.1261, 0.1119, 0.1096, 0.1045, 0.1011, 0.1029],
        "accuracy": [0.8162, 0.9411, 0.9552, 0.9598, 0.9609, 0.9662, 0.9671, 0.9687, 0.9688, 0.9689],
        "val_accuracy": [0.9313, 0.9411, 0.9590, 0.9679, 0.9648, 0.9567, 0.9685, 0.9698, 0.9627, 0.9516],
    },
    "SGD": {
        "loss": [1.4885, 0.4087, 0.3267, 0.2903, 0.2691, 0.2466, 0.2210, 0.2137, 0.1996, 0.1925],
        "accuracy": [0.5945, 0.8875, 0.9075, 0.9186, 0.9233, 0.9291, 0.9370, 0.9387, 0.9429, 0.9450],
        "val_accuracy": [0.8838, 0.9073, 0.9178, 0.9259, 0.9292, 0.9352, 0.9404, 0.9424, 0.9441, 0.9469],
    },
}
print("                              loss          accuracy      val accuracy")
print("epoch                     ours  source    ours  source    ours  source")
for method, run in runs.items():
    for epoch in (1, lesson.epochs(10)):
        cells = [
            log[key][epoch - 1]
            for key in ("loss", "accuracy", "val_accuracy")
            for log in (run, source[method])
        ]
        print(f"{epoch:>2} {method:20}" + "".join(f"{cell:8.4f}" for cell in cells))

# %%
cg, plain_sgd = runs["conditional gradient"], runs["SGD"]
for claim, run in [("S4.c1", cg), ("S4.c2", plain_sgd)]:
    lesson.record(claim, **{key: run[key][-1] for key in ("accuracy", "val_accuracy", "loss")})
lesson.record(
    "S4.c3",
    conditional_gradient_accuracy=cg["accuracy"],
    sgd_accuracy=plain_sgd["accuracy"],
    conditional_gradient_val_accuracy=cg["val_accuracy"],
    sgd_val_accuracy=plain_sgd["val_accuracy"],
)
lesson.record("S4.c4", sgd_norm=plain_sgd["norm"][1:], conditional_gradient_norm=cg["norm"][1:])

# %% [markdown]
# (In their first epoch both of the source's nets are behind ours, in their last they are not. We do not know why.)
#
# The source draws two figures: the norm of all weights over the epochs, and the four accuracies.

# %% tags=["figure"]
fig, axes = plt.subplots(1, 2, figsize=(10.4, 4.2))
for method, run in runs.items():
    look = dict(color=plotting.colour(method), marker=plotting.MARKERS[method])
    axes[0].plot(run["norm"], **look, label=method)
plotting.learning_curves(runs, ax=axes[1])
axes[0].set(xlabel="epoch", ylabel="Frobenius norm of all weights", ylim=(0, None), title="The weights")
axes[0].legend()
axes[1].set(title="The accuracies", ylim=(0.85 if not lesson.quick else None, None))
plt.show()

# %% [markdown]
# So conditional gradient has the smaller weights and the higher accuracy, and the source concludes that it regularises. Two
# things should make you pause. The dashed orange curve jumps about like the point in our right panel. And all weights
# together have a norm of little more than ten, in a ball whose radius is 203 for *each* of the six variables.
#
# ## Is the constraint kept?
#
# First the promise itself. It was checked after each step of the run above. Because a ball this wide is no test, we
# add one that is tight: radius 1, and a start inside it.


# %%
def start_inside(net, radius):
    """Scale each kernel of a fresh net to half the radius; biases start at zero anyway."""
    for variable in net.trainable_variables:
        norm = float(np.linalg.norm(variable.numpy()))
        variable.assign(variable * (0.5 * radius / max(norm, radius / 2)))


restart(conditional, lesson.seed)
conditional.optimizer.lambda_ = 1.0
start_inside(conditional, radius=1.0)
largest.assign(tf.zeros(6))
tight = conditional.fit(
    shuffled(x_train, y_train, 64),
    epochs=lesson.epochs(3),
    verbose=0,
    callbacks=[lesson.progress("radius 1")],
)
largest_in_tight_run = largest.numpy()

# %%
shares = {"203": largest_in_source_run / radius, "1": largest_in_tight_run / 1.0}
names = ["kernel 1", "bias 1", "kernel 2", "bias 2", "kernel 3", "bias 3"]
print("largest norm in any step, as a share of the radius")
print("radius" + "".join(f"{name:>10}" for name in names))
for name, share in shares.items():
    print(f"{name:>6}" + "".join(f"{value:>10.3f}" for value in share))

worst = max(share.max() for share in shares.values())
lesson.record("S4.c5", holds=bool(worst <= 1), worst=worst)

# %% [markdown]
# The promise is kept, in every step and for every variable. The second row shows what a ball that binds looks like: the kernels fill
# most of it. And the first row answers the question that the source did not ask: its ball is so wide that no variable comes
# anywhere near the surface. **A constraint that never binds cannot be what regularises.** What does?
#
# ## Worth a second look: an old acquaintance
#
# Write the update down once more, and sort it differently:
#
# $$w \leftarrow w \;-\; \underbrace{(1-\eta)}_{\text{weight decay}} w \;-\;
#   \underbrace{(1-\eta)\lambda}_{\text{step length}}\,\frac{\nabla}{\lVert\nabla\rVert} .$$
#
# It is gradient descent with weight decay, in which the gradient has lost its length. The source's numbers give a decay of
# $0.00051$ and a step of $0.104$ for every variable, however flat or steep the loss. We check it on one batch.

# %% tags=["nbval-check-output"]
print(f"decay {1 - eta:.5f}, step length {(1 - eta) * radius:.3f}")

net = restart(compiled(ConditionalGradient(eta, radius)), seed=0)
with tf.GradientTape() as tape:
    loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y_train[:64], net(x_train[:64])))
gradients = tape.gradient(loss, net.trainable_weights)

old = [w.numpy() for w in net.trainable_weights]
kept = np.float32(eta)  # in single precision, like the optimizer: 1 − η loses four digits to it
net.optimizer.apply_gradients(zip(gradients, net.trainable_weights))
for name, before, gradient, after in zip(names, old, gradients, net.trainable_weights):
    direction = gradient.numpy() / np.linalg.norm(gradient)
    by_hand = before - (1 - kept) * before - (1 - kept) * np.float32(radius) * direction
    print(f"{name}: same step as by hand:", np.allclose(by_hand, after.numpy(), atol=1e-6))

# %% [markdown]
# This also tells how large the weights can become. Unrolled, $w$ is a moving average of the points $s$ that it was sent to, over the
# last $1/(1-\eta) \approx 2000$ steps. If they all lie in one direction, the average has their norm, $\lambda$. If
# they point anywhere, independently of each other, their squares add up:
#
# $$\lVert w\rVert^2 \to \lambda^2 (1-\eta)^2\,(1 + \eta^2 + \eta^4 + \dots) = \lambda^2\,\frac{1-\eta}{1+\eta} .$$
#
# And if each step undoes the one before, even less remains. So a variable's norm says how much its gradients agreed with one
# another. Where do the six variables of the source's run end?

# %% tags=["nbval-check-output"]
noise = radius * np.sqrt((1 - eta) / (1 + eta))
print(f"all gradients agree: {radius:.0f}; noise: {noise:.2f}")

# %%
print("norm at the end of the source's run")
for name, norm in zip(names, norms_of_source_run):
    print(f"{name:10}{norm:7.2f}")

# %% [markdown]
# The kernels lie above the noise, yet far below the ball: many directions, some common trend. The biases lie below it. A step of the
# fixed length is too long for a vector of so few numbers, so it overshoots, and the next one comes back.
#
# ## Radius and rate, all at once
#
# If the ball never binds, $\lambda$ matters only through the step length $(1-\eta)\lambda$. Then nets along a line of
# constant step length should do equally well, until $\lambda$ becomes so small that the ball does bind. We try five values of each, a
# factor of ten apart, with the source's pair in the middle; one epoch on 50,000 of the training images, accuracy on the
# 10,000 held out. **Where in this square is the best cell? Where does it go wrong, and in which way?**

# %%
factors = [0.1, 1] if lesson.quick else [0.01, 0.1, 1, 10, 100]
held_out = len(x_train) // 6
fitting = (x_train[:-held_out], y_train[:-held_out])

searched = compiled(ConditionalGradient(eta, radius))
grid = np.zeros((len(factors), len(factors)))
cells = [(row, column) for row in range(len(factors)) for column in range(len(factors))]
for row, column in progress_bar(cells, "radius and rate", unit="training"):
    restart(searched, lesson.seed)
    searched.optimizer.lambda_ = radius * factors[row]
    searched.optimizer.learning_rate = 1 - (1 - eta) * factors[column]
    searched.fit(shuffled(*fitting, 64), verbose=0)
    grid[row, column] = searched.evaluate(
        x_train[-held_out:], y_train[-held_out:], batch_size=1000, verbose=0
    )[1]

# %% tags=["figure", "cover"]
fig, ax = plt.subplots(figsize=(7.6, 5.4))
image = ax.imshow(grid, vmin=0, vmax=1, origin="lower")
for row, column in cells:
    shade = "black" if grid[row, column] > 0.55 else "white"
    ax.text(column, row, f"{grid[row, column]:.0%}", ha="center", va="center", color=shade)
middle = factors.index(1)
ax.add_patch(plt.Rectangle((middle - 0.5, middle - 0.5), 1, 1, fill=False, edgecolor="#D55E00", linewidth=3))
ends = np.array([-0.5, len(factors) - 0.5])
ax.plot(ends, ends[::-1], "--", color="#D55E00", linewidth=1.5)
ax.set_xticks(range(len(factors)), [f"{(1 - eta) * factor:.1e}" for factor in factors])
ax.set_yticks(range(len(factors)), [f"{radius * factor:g}" for factor in factors])
ax.set(xlabel="1 − η, the decay per step", ylabel="λ, the radius of the ball")
ax.set_title("The source's pair (orange) and, dashed, its step length")
ax.grid(False)
fig.colorbar(image, label="accuracy on held-out images after one epoch", format=PercentFormatter(1))
lesson.save_figure(fig, "radius-and-rate")
plt.show()

# %% [markdown]
# Follow the dashed line, where every step is as long as the source's. From the middle up to the left almost nothing
# changes: ten times the radius, a hundred times, with less and less decay, and the same accuracy. There the radius is
# just a number that multiplies. Down to the right it falls off: here the ball is so small (and the decay so strong) that it does bind, and what
# it keeps out is what the net needed.
#
# The square has two sides, then: too long a step above the line, on which nothing can be learned; and below it too small a ball.
# Neither side is “more regularised, a little better”.
#
# ## A fair opponent
#
# The source's pair was chosen with care. Its opponent is SGD with a rate of `0.01`, which is what one gets without asking. So let
# us ask. The learning-rate finder raises the rate from batch to batch and watches the loss (lesson 08 builds one from
# scratch). It leaves the net as it was.

# %%
found = lr_find(restart(sgd, lesson.seed), *fitting, batch_size=64, start_lr=1e-4)

# %% tags=["figure"]
ax = found.plot()
ax.axvline(0.01, color="black", linestyle=":", linewidth=1.2)
ax.annotate(
    "the source's rate", (0.01, ax.get_ylim()[0]), xytext=(-4, 6), textcoords="offset points", ha="right"
)
ax.set(ylim=(1.0, 5.0), title="At the source's rate the loss has hardly begun to fall")
plt.show()

# %% [markdown]
# The finder knows four rules to read such a curve, and they do not agree; one may even pick a place where the loss already
# climbs. We take all four rates, train one epoch with each, and let the held-out images decide.

# %%
candidates = {}
for rule in ("valley", "slide", "minimum", "steep"):
    restart(sgd, lesson.seed).optimizer.learning_rate = found.suggestion(rule)
    sgd.fit(shuffled(*fitting, 64), verbose=0)
    held = sgd.evaluate(x_train[-held_out:], y_train[-held_out:], batch_size=1000, verbose=0)[1]
    candidates[held] = found.suggestion(rule)
    print(f"{rule:8} suggests {found.suggestion(rule):.3f}: {held:.4f} on held-out images")
rate = candidates[max(candidates)]

# %% [markdown]
# With the best of them we train SGD as the source did; and once more with the decay that conditional gradient
# applies (Keras multiplies `weight_decay` by the rate, so we divide by it).

# %%
sgd.optimizer.learning_rate = rate
runs["SGD, rate found"] = train(sgd, "SGD, rate found")

decaying = compiled(keras.optimizers.SGD(rate, weight_decay=(1 - eta) / rate))
runs["SGD, rate found, weight decay"] = train(decaying, "SGD, rate found, weight decay")

# %% [markdown]
# And conditional gradient gets its due as well: Frank and Wolfe's shrinking steps. $\eta$ rises in a straight line to 1, so that the last
# steps are as short as one likes. Like any rate in Keras it may be a schedule.

# %%
rising = keras.optimizers.schedules.PolynomialDecay(
    eta, decay_steps=lesson.epochs(10) * -(-len(x_train) // 64), end_learning_rate=1.0
)
shrinking = compiled(ConditionalGradient(rising, lambda_=radius))
runs["conditional gradient, shrinking steps"] = train(shrinking, "conditional gradient, shrinking steps")

# %% tags=["figure"]
fig, axes = plt.subplots(1, 2, figsize=(10.4, 4.8))
for method, run in runs.items():
    look = dict(color=plotting.colour(method), marker=plotting.MARKERS[method], label=method)
    axes[0].plot(range(1, len(run["val_accuracy"]) + 1), run["val_accuracy"], **look)
    axes[1].plot(run["norm"], **look)
axes[0].set(xlabel="epoch", ylabel="test accuracy", title="Test accuracy, now that both were looked for")
axes[0].set_ylim(0.9 if not lesson.quick else None, None)
axes[0].yaxis.set_major_formatter(PercentFormatter(1))
axes[1].set(xlabel="epoch", ylabel="Frobenius norm of all weights", ylim=(0, None), title="The weights")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=10)
plt.show()

# %%
print("                                      test accuracy            training   weights")
print("                                      last   sd of last five   accuracy      norm")
for method, run in runs.items():
    late = run["val_accuracy"][-5:]
    spread, fitted, norm = np.std(late, ddof=1), run["accuracy"][-1], run["norm"][-1]
    print(f"{method:38}{late[-1]:.4f}{spread:15.4f}{fitted:11.4f}{norm:10.1f}")

# %% [markdown]
# Three observations, and you can check each in the table. Look at the training accuracy first: at the source's rate SGD was far behind
# conditional gradient, at a rate that was looked for it is ahead. **The lead was one of rates.** On the test images both
# jump about, as long steps do, so that a last epoch decides little; shrinking steps take the jumps away, as the picture in the plane
# promised. (SGD deserves them as well: lesson 08.) And the norms do not sort the runs: put
# them in the order of the last column, and test accuracy neither rises nor falls.
#
# (Do several curves dip in the same epoch? All runs see the same batches in the same order. An unlucky end of an
# epoch hits every net that still takes long steps.)
#
# ## Beyond the source: the nuclear norm
#
# The same idea works for any set over which a linear function is easily minimised. For matrices, the **nuclear norm** is
# the sum of the singular values. In its ball the best point is $-\lambda\,u v^\top$, with $u$ and $v$ the first pair of singular vectors of
# $\nabla$: a matrix of rank one. Each step adds one such matrix and shrinks what was there. **What will that do to the
# singular values of a kernel?**

# %%
searched.optimizer.lambda_, searched.optimizer.learning_rate = radius, eta  # the grid has left other values
nuclear = compiled(
    ConditionalGradient(eta, lambda_=radius, ord="nuclear"), speed=lesson.fast_conv
)  # faster without XLA
contenders = {
    "SGD, rate found": sgd,
    "conditional gradient": searched,
    "conditional gradient, nuclear norm": nuclear,
}
shorter = {method: train(net, method, epochs=5) for method, net in contenders.items()}

# %%
spectra = {
    method: np.linalg.svd(net.layers[0].kernel.numpy(), compute_uv=False)
    for method, net in contenders.items()
}
print("after five epochs                       test accuracy   singular values above a tenth of the first")
for method, values in spectra.items():
    print(
        f"{method:36}{shorter[method]['val_accuracy'][-1]:17.4f}{np.sum(values > 0.1 * values[0]):12} of 64"
    )

# %% tags=["figure"]
fig, ax = plt.subplots(figsize=(7.6, 4.4))
for method, values in spectra.items():
    look = dict(color=plotting.colour(method), marker=plotting.MARKERS[method], markersize=4)
    ax.plot(range(1, 65), values / values[0], label=method, **look)
ax.set(yscale="log", xlabel="singular value of the first kernel, by size", ylabel="share of the largest")
ax.set_title("Steps of rank one build a kernel of few directions")
ax.legend()
plt.show()

# %% [markdown]
# A kernel made of few directions can be stored and applied as two thin matrices. That, rather than accuracy, is what one
# uses the nuclear norm for.
#
# ## Worth a second look: does it fail on CIFAR-10?
#
# These very settings are said to fail on CIFAR-10, stuck at the $10\,\%$ of guessing. We tried, and found that it depends. Three nets, the
# same optimizer: the source's net on pixels scaled to [0, 1]; the same net on pixels as they come, from 0 to 255; and a net of
# sixteen hidden layers on scaled pixels. **Which of them will learn?**

# %%
cifar10 = lesson.data(load_cifar10())
raw_train, raw_test = (
    images.reshape(-1, 3072).astype("float32") for images in (cifar10.x_train, cifar10.x_test)
)
labels_train, labels_test = cifar10.y_train, cifar10.y_test
layers = 4 if lesson.quick else 16

# Without XLA, which would need longer to compile sixteen layers than it saves.
shallow_net = compiled(ConditionalGradient(eta, radius), inputs=3072, speed=lesson.fast_conv)
deep_net = compiled(
    ConditionalGradient(eta, radius), hidden=(64,) * layers, inputs=3072, speed=lesson.fast_conv
)
cases = {
    "two layers, scaled pixels": (shallow_net, 255, eta),
    "two layers, raw pixels": (shallow_net, 1, eta),
    f"{layers} layers, scaled pixels": (deep_net, 255, eta),
}


# %%
def kernel_norms(net):
    return np.array([np.linalg.norm(layer.kernel.numpy()) for layer in net.layers])


def try_on_cifar(net, scale, eta):
    """Test accuracy after two epochs, and the kernels' norms beside what shrinking alone would have left."""
    restart(net, lesson.seed).optimizer.learning_rate = eta
    start, batches = kernel_norms(net), shuffled(raw_train / np.float32(scale), labels_train, 64)
    epochs = lesson.epochs(2, quick=1)
    net.fit(batches, epochs=epochs, verbose=0)
    accuracy = net.evaluate(raw_test / np.float32(scale), labels_test, batch_size=1000, verbose=0)[1]
    return accuracy, kernel_norms(net) / (start * eta ** (epochs * len(batches)))


# %%
outcomes = {name: try_on_cifar(*case) for name, case in progress_bar(cases.items(), "CIFAR-10", unit="net")}
print("                               test       norm of the kernels, over")
print("                               accuracy   what shrinking alone leaves")
for name, (accuracy, ratios) in outcomes.items():
    print(f"{name:31}{accuracy:8.3f}   from {ratios.min():.3f} to {ratios.max():.3f}")

# %% [markdown]
# The last column is a post-mortem. In the nets that failed, the ratios are close to one: every kernel is little else than its own start, shrunk by
# $\eta$ in each step. Almost from the beginning **no gradient has reached any kernel**. The ReLUs are dead, all of some layer: zero for every
# image, and so is what they pass back. (What is missing to one was done by the first steps, before they died.)
#
# And why did they die? Every variable moves by $0.104$ in each step, however many there are and however sensitive the loss
# is to it. With pixels up to 255, such a step of the first kernel moves what comes out by hundreds. With sixteen layers, seventeen
# kernels move at once. Gradient descent takes small steps where the loss is steep; these have one length. **Then what is
# the cure?** Shorter steps: a tenth of the length for the deep net, a hundredth for the raw pixels.

# %%
cures = {
    "two layers, raw pixels": (shallow_net, 1, 1 - (1 - eta) / 100),
    f"{layers} layers, scaled pixels": (deep_net, 255, 1 - (1 - eta) / 10),
}
cured = {name: try_on_cifar(*case) for name, case in progress_bar(cures.items(), "shorter steps", unit="net")}
for name, (accuracy, _) in cured.items():
    print(f"{name:31}: test accuracy {accuracy:.3f}, instead of {outcomes[name][0]:.3f}")

# %% [markdown]
# The deep net learns. The raw pixels do not become a good idea: what is short enough for the first kernel
# is too short for the others, and one length for all is what this optimizer has. There the cure is the first line of the
# table: scale the pixels.

# %% [markdown]
# ## Verdicts
#
# Every number and every order of the source, measured again over several seeds on two software stacks, in
# full mode on the real MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("S4")

# %% [markdown]
# ## What to take away
#
# - Conditional gradient keeps a constraint at every step without a projection: it walks on straight lines between points of
#   the set.
# - With a wide ball and a fixed rate it is weight decay plus a step of fixed length; the radius is only a factor. Whether a
#   constraint does anything is seen by whether it ever binds.
# - Comparing with a rival whose rate nobody looked for compares two rates.
# - Steps of fixed length cannot settle. Let them shrink.
# - Under steps of one length the norms of the weights tell what the gradients did: agreed, contradicted each other, or never came.
#
# **Today** steps of normalised length are back under other names. LARS and LAMB scale each layer's step by the norm of its weights; Lion
# takes the sign; Muon replaces a kernel's gradient by $U V^\top$, all its singular vectors where the nuclear norm takes the first. All
# of them bring decay and a schedule that ends near zero. TensorFlow Addons has ended; for Keras 3 the course brings this optimizer.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** A training with conditional gradient diverges at a `learning_rate` of `0.99949`. A colleague divides the rate by ten, then
# clips the gradients at a length of one. What does each of the two do?
#
# <details><summary>An answer</summary>
#
# The rate is the share that is *kept*. At a tenth of it each step throws most of the weights away and goes most of the way to the surface:
# steps more than a thousand times as long as before. Clipping changes the length of a gradient, and the update takes only its direction, so it changes
# nothing. What shortens the steps is a rate closer to one, or a smaller radius.
#
# </details>
#
# **2.** In a ball that never binds, you double $\lambda$ and halve $1-\eta$. What stays as it was? What becomes of a variable's norm after a long
# training, if its gradients are nothing but noise, and if they all agree?
#
# <details><summary>An answer</summary>
#
# The step length $(1-\eta)\lambda$ stays; the decay is half as strong, so that the weights remember twice as many steps. Sums of noise grow with the
# root of their number: the norm $\lambda\sqrt{(1-\eta)/(1+\eta)}$ becomes about $\sqrt 2$ times as large. Where the gradients agree it becomes twice as
# large, for it tends to $\lambda$, and a ball that did not bind may bind now.
#
# </details>
#
# **3.** With a fixed $\eta$ the point settles if the target lies outside the ball, and never settles if it lies inside. The step is
# $(1-\eta)(s-w)$ in both cases. What is the difference?
#
# <details><summary>An answer</summary>
#
# For the target outside, the best point lies on the surface, and the gradient there is not zero. Near it, if the share is small, the gradient hardly
# turns. So $s$ comes to rest at that very point, $w$ comes closer to $s$, and the steps shrink by themselves. For a target inside, the gradient vanishes at the
# target, and beside it the smallest move turns it round. $s$ jumps about the surface, far from where $w$ ought to be, and the steps keep their length.
#
# </details>
#
# **4.** A kernel of 50,000 weights and a bias of ten have the same radius. Whose single weights move farther in a step, and by how much? Which radius would
# make them even, and what would it not mend?
#
# <details><summary>An answer</summary>
#
# A step of length $d$ over $n$ weights moves each by $d/\sqrt n$ (root of the mean square). The bias's weights move $\sqrt{5000} \approx 70$ times as far. A
# radius proportional to $\sqrt n$ makes them even. It still ignores how steep the loss is, and that the kernels of a deep net all
# move at once.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each has a cell to fill in and a check below it, which tries your code on inputs of its own and answers in a sentence. The solutions are in
# [a notebook of their own](solutions/09_conditional_gradient.ipynb); any code that does what the card asks passes.

# %% tags=["given"]
import matplotlib.pyplot as plt
import numpy as np

from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · Other balls
#
# *15 minutes.* **What.** Write `lowest_point`: the point $s$ of a ball around the origin at which the sum of gradient times $s$ is smallest. `norm` says which
# ball, as in `np.linalg.norm` of all weights as one long vector: 1 (sum of the sizes), 2 (length) or `np.inf` (largest size). The point has the gradient's shape. For
# a gradient of zeros any point of the ball will do.
#
# **Why.** This one line is all that conditional gradient has to know of a set. Whatever the set's corners look like, the weights will be made of
# them: one number at a time, or all signs at once.


# %% tags=["exercise"]
def lowest_point(gradient, radius, norm):
    """The point of the ball of this radius and norm (1, 2 or np.inf) that lies lowest; shaped as the gradient."""
    ...


# %% tags=["solution"]
def lowest_point(gradient, radius, norm):
    """The point of the ball of this radius and norm (1, 2 or np.inf) that lies lowest; shaped as the gradient."""
    if norm == np.inf:
        return -radius * np.sign(gradient)  # every weight as far as it may
    if norm == 2:
        return -radius * gradient / max(np.linalg.norm(gradient), 1e-12)
    point = np.zeros_like(gradient)  # all of the radius for the steepest weight
    steepest = np.unravel_index(np.argmax(np.abs(gradient)), gradient.shape)
    point[steepest] = -radius * np.sign(gradient[steepest])
    return point


# %% tags=["check"]
check("lowest_point")

# %% [markdown] tags=["solution"]
# We walk a hundred steps in each of the three balls, with shares that shrink. The function to minimise is the loss of a net without hidden layers and biases on
# 2,000 digits: one kernel of 784 × 10 weights, and a loss without dents.

# %% tags=["solution"]
from scipy.special import softmax

from course_utils.data import load_mnist
from course_utils.lesson import Lesson

lesson = Lesson("10_conditional_gradient")
mnist = lesson.data(load_mnist())
x, x_test = (images.reshape(-1, 784) / np.float32(255) for images in (mnist.x_train[:2000], mnist.x_test))
digits = mnist.y_train[:2000]


def loss_and_gradient(w):
    """Mean cross-entropy of softmax(x @ w), and its gradient."""
    p = softmax(x @ w, axis=1)
    loss = -np.mean(np.log(p[np.arange(len(x)), digits] + 1e-12))
    return loss, x.T @ (p - np.eye(10, dtype="float32")[digits]) / len(x)


# %% tags=["solution"]
balls = {"ℓ1": (1, 50.0), "ℓ2": (2, 5.0), "ℓ∞": (np.inf, 0.1)}
print("ball  radius   loss   test accuracy   weights that are not 0   largest weight")
for ball, (norm, radius) in balls.items():
    w = np.zeros((784, 10), "float32")
    for t in range(100):
        s = lowest_point(loss_and_gradient(w)[1], radius, norm)
        w = w + np.float32(2 / (t + 2)) * (s - w)
    accuracy = np.mean(np.argmax(x_test @ w, axis=1) == mnist.y_test)
    row = f"{ball}{radius:10g}{loss_and_gradient(w)[0]:9.3f}{accuracy:11.3f}"
    print(f"{row}{np.sum(w != 0):18} of {w.size}{np.abs(w).max():15.3f}")

# %% [markdown] tags=["solution"]
# The corners show. Each step in the ℓ1 ball brings one corner, and a corner is one weight: after a hundred steps no more than a hundred weights
# are other than zero. In the ℓ∞ ball every weight with a gradient moves in every step, by its sign, as in Lion. The ℓ2 ball has no corners. The accuracies
# cannot be compared: nobody looked for the best radius of each.

# %% [markdown] tags=["exercise"]
# ### 2 · How far down is it still?
#
# *10 minutes.* **What.** Write `duality_gap`: the sum of $\nabla \cdot (w - s)$ over the variables of a net, each with an ℓ2 ball of its own of the same radius,
# $s$ being the ball's lowest point. It gets a list of weights and a list of gradients. A variable whose gradient is zero adds nothing.
#
# **Why.** A loss without dents lies above its tangent everywhere. So it can fall by no more than the tangent does from $w$ to $s$, which is the gap: a bound on what is still
# to be gained in the ball, known without knowing the minimum. The length of the gradient says no such thing, for at a surface it need not vanish.


# %% tags=["exercise"]
def duality_gap(weights, gradients, radius):
    """The sum of gradient · (w − s) over all variables; weights, gradients: lists of arrays of equal shapes."""
    ...


# %% tags=["solution"]
def duality_gap(weights, gradients, radius):
    """The sum of gradient · (w − s) over all variables; weights, gradients: lists of arrays of equal shapes."""
    # gradient · s is −radius times the gradient's length, so there is nothing to divide by
    return sum(np.sum(g * w) + radius * np.linalg.norm(g) for w, g in zip(weights, gradients))


# %% tags=["check"]
check("duality_gap")

# %% [markdown] tags=["solution"]
# The two paths of the lesson's first picture, with their fixed share: how much higher than the lowest point of the ball is each point in truth, and what does the gap allow?

# %% tags=["solution"]
targets = {"outside": np.array([1.2, 0.7]), "inside": np.array([0.45, 0.3])}
steep = np.array([1.0, 3.0])


def height(w, target):
    return np.sum(steep * (w - target) ** 2, axis=-1) / 2


angles = np.linspace(0, 2 * np.pi, 100_001)
surface = np.stack([np.cos(angles), np.sin(angles)], axis=1)
lowest = {"outside": height(surface, targets["outside"]).min(), "inside": 0.0}

# %% tags=["solution"]
for where, target in targets.items():
    w, above, gaps = np.array([-0.3, -0.85]), [], []
    for _ in range(61):
        gradient = steep * (w - target)
        above.append(height(w, target) - lowest[where])
        gaps.append(duality_gap([w], [gradient], 1.0))
        w = 0.9 * w + 0.1 * lowest_point(gradient, 1.0, 2)
    for t in (0, 5, 20):
        print(f"target {where:7}  step {t:2}         {above[t]:.4f} too high, gap {gaps[t]:.4f}")
    print(f"target {where:7}  last 20 steps   up to {max(above[-20:]):.4f} and {max(gaps[-20:]):.4f}")

# %% [markdown] tags=["solution"]
# The gap is nowhere below the truth. For the target outside it falls towards zero, although the gradient does not. For the target inside it stops falling: a
# share that is fixed comes near and goes round. Whoever sees only the gap can tell the two cases apart.

# %% [markdown] tags=["exercise"]
# ### 3 · Frank and Wolfe's own walk
#
# *25 minutes.* **What.** Write `frank_wolfe`, which minimises a function without dents over the ℓ2 ball of one variable. `gradient_at(w)` gives its gradient. At step
# $t = 0, 1, 2, \dots$ the walk goes the share $1-\eta = 2/(t+2)$ of the way from $w$ to $s$. Return the first point whose gap is at most `tolerance`; a start that
# is good enough comes back as it is. (A `for` loop with a generous end is safer than `while True`.)
#
# **Why.** It mends what the picture in the plane showed: steps that shrink settle, and the gap says when to stop. Together they are the algorithm of 1956.


# %% tags=["exercise"]
def frank_wolfe(gradient_at, start, radius, tolerance):
    """The first point of the walk from `start`, an array inside the ball, whose gap is at most `tolerance`."""
    ...


# %% tags=["solution"]
def frank_wolfe(gradient_at, start, radius, tolerance):
    """The first point of the walk from `start`, an array inside the ball, whose gap is at most `tolerance`."""
    w = start
    for t in range(100_000):
        gradient = gradient_at(w)
        if duality_gap([w], [gradient], radius) <= tolerance:
            return w
        s = -radius * gradient / np.linalg.norm(gradient)
        w = w + 2 / (t + 2) * (s - w)
    raise RuntimeError("the gap is still above the tolerance")


# %% tags=["check"]
check("frank_wolfe")

# %% [markdown] tags=["solution"]
# The kernel of the first exercise again, in the ℓ2 ball of radius 5, until the gap is at most `0.02`. Beside it as many steps of fixed shares, $5\,\%$ and $1\,\%$.

# %% tags=["solution"]
start = np.zeros((784, 10), "float32")
seen = {"shares that shrink": [], "5 % of the way": [], "1 % of the way": []}


def watched(w, name):
    loss, gradient = loss_and_gradient(w)
    seen[name].append((loss, duality_gap([w], [gradient], 5.0)))
    return gradient


frank_wolfe(lambda w: watched(w, "shares that shrink"), start, radius=5.0, tolerance=0.02)
for name, share in [("5 % of the way", 0.05), ("1 % of the way", 0.01)]:
    w = start
    for _ in seen["shares that shrink"]:
        w = w + share * (lowest_point(watched(w, name), 5.0, 2) - w)

# %% tags=["solution"]
for name, trace in seen.items():
    print(f"{name:19} after {len(trace) - 1} steps: loss {trace[-1][0]:.3f}, gap {trace[-1][1]:.3f}")
loss, gap = seen["shares that shrink"][-1]
print(f"so no kernel of the ball has a loss below {loss - gap:.3f}")

# %% tags=["solution"]
fig, ax = plt.subplots()
looks = [("#E69F00", "-"), ("#D55E00", "--"), ("#595959", "-.")]
for (name, trace), (shade, dash) in zip(seen.items(), looks):
    ax.plot([gap for _, gap in trace], dash, color=shade, label=name)
ax.axhline(0.02, color="black", linestyle=":", linewidth=1.2, label="tolerance")
ax.set(yscale="log", xlabel="step", ylabel="duality gap (nats)")
ax.set_title("A large share does not settle, a small one is slow; let it shrink")
ax.legend()
plt.show()

# %% [markdown] tags=["solution"]
# The share of $5\,\%$ comes near, passes by and gains no more; without the gap one could take that for the end. $1\,\%$ gets on, slowly. Shares that shrink
# need no such choice, and at the end the gap is a certificate: whatever other kernel of this ball somebody finds, its loss is at most `0.02` lower. (The loss of a net with hidden
# layers has dents. There a small gap says only that no straight way within the ball leads down from here.)

# %% [markdown]
# ## References
#
# - M. Frank, P. Wolfe, *An algorithm for quadratic programming*, 1956: the step, and rates that shrink.
# - M. Jaggi, *Revisiting Frank-Wolfe: Projection-Free Sparse Convex Optimization*, 2013,
#   [proceedings](https://proceedings.mlr.press/v28/jaggi13.html): other sets, the nuclear norm among them.
# - S. Ravi and others, *Constrained Deep Learning using Conditional Gradient and Applications in Computer Vision*, 2018,
#   [arXiv:1803.06453](https://arxiv.org/abs/1803.06453): what the Addons optimizer implements.
# - Y. You, I. Gitman, B. Ginsburg, *Large Batch Training of Convolutional Networks*, 2017,
#   [arXiv:1708.03888](https://arxiv.org/abs/1708.03888): steps scaled layer by layer (LARS).
