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
# # 10 · Conditional gradient
#
# Suppose that the weights of a net have to stay inside a ball of a given radius, at every step of the training. An algorithm from 1956 does this in
# one line. This lesson writes the line and checks after every step that the weights stay inside. Then it repeats a published comparison in which
# the method beats gradient descent, and asks: was the ball the reason?
#
# - **You will learn:** to minimise over a ball without ever leaving it · to take an update rule apart and find known rules in it · to find a fair
#   learning rate for both sides of a comparison · to see whether a constraint has an effect.
# - **You need:** gradient descent and weight decay; [lesson 00](00_start_here.ipynb); for one section the learning-rate finder of
#   [lesson 09](09_lr_finder_and_1cycle.ipynb).
# - **Reproduces:** the TensorFlow Addons tutorial
#   [*Optimizers: ConditionalGradient*](https://www.tensorflow.org/addons/tutorials/optimizers_conditionalgradient), 2019. The idea comes from Frank
#   and Wolfe, 1956. Ravi and others used it for deep nets in 2018, in
#   [*Constrained Deep Learning using Conditional Gradient*](https://arxiv.org/abs/1803.06453).
# - **Time:** about 25 minutes to read; a full run takes as long as the line above says, a run in quick mode less than a minute.

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("10_conditional_gradient")

# %% tags=["needed"]
import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf
from matplotlib.ticker import MaxNLocator, PercentFormatter

from course_utils import plotting
from course_utils.addons import ConditionalGradient
from course_utils.data import load_mnist
from course_utils.lr_finder import lr_find
from course_utils.training import fit, progress_bar

# %% [markdown]
# ## A step that cannot leave the ball
#
# A net with small weights is a smoother function, and is often better on new images. There are three ways to keep weights small.
#
# - A **penalty** adds the size of the weights to the loss. It makes the weights smaller, but it guarantees no bound.
# - A **projection** takes any step, and then moves the weights back to the nearest allowed point. For a ball this is one division; for other sets
#   it can cost more than the step.
# - **Conditional gradient** takes only steps that stay inside. It asks: if the loss were linear, with slope $\nabla$, which point $s$ of the
#   allowed set would have the lowest loss? Then it goes a part of the way from the weights $w$ to $s$.
#
# For a ball of radius $\lambda$ around the origin, the lowest point $s$ is on the surface, in the direction opposite to the gradient:
#
# $$s = -\lambda\,\frac{\nabla}{\lVert\nabla\rVert}, \qquad w \leftarrow \eta\, w + (1-\eta)\, s .$$
#
# The new $w$ lies on the straight line between two points of the ball. A ball is *convex*: the line between two of its points stays inside. So no
# projection is needed.
#
# Be careful with the name: the source calls the factor $\eta$ `learning_rate`. But $\eta$ is the share of $w$ that is *kept*, so a larger $\eta$
# means a smaller step.


# %%
def step(w, gradient, eta, radius):
    lowest = -radius * gradient / np.linalg.norm(gradient)
    return eta * w + (1 - eta) * lowest


def path_to(target, eta=0.9, radius=1.0, steps=60):
    path = [np.array([-0.3, -0.85])]
    for _ in range(steps):
        gradient = np.array([1.0, 3.0]) * (path[-1] - target)  # of a bowl, steeper in the second weight
        path.append(step(path[-1], gradient, eta, radius))
    return np.array(path)


# %% [markdown]
# We try to reach two targets, one outside the ball and one inside. **What will $w$ do in each case?**

# %% tags=["nbval-check-output"]
targets = {"outside": np.array([1.2, 0.7]), "inside": np.array([0.45, 0.3])}
paths = {where: path_to(target) for where, target in targets.items()}
for where, path in paths.items():
    largest_norm = np.linalg.norm(path, axis=1).max()
    moved = np.linalg.norm(np.diff(path[-20:], axis=0), axis=1)
    print(
        f"target {where:7}: largest norm {largest_norm:.3f}, last steps {moved.min():.3f} to {moved.max():.3f} long"
    )

# %% tags=["figure"] alt="Two unit discs. Left, with the target outside: the path of w ends at the surface, at the lowest point of the disc. Right, with the target inside: the path reaches the target and then goes round it in steps that do not shrink; an inset shows the last twenty."
fig, panels = plt.subplots(1, 2, figsize=(9.6, 4.3), sharex=True, sharey=True)
blue = plotting.OTHERS[3]
titles = {"outside": "Target outside: w stops at the surface", "inside": "Target inside: w never settles"}
for ax, (where, path) in zip(panels, paths.items()):
    ax.add_patch(plt.Circle((0, 0), 1, color=blue, alpha=0.12))
    ax.plot(*path.T, "o-", color=blue, markersize=4, linewidth=1.2, label="w, step by step")
    ax.plot(*targets[where], "k*", markersize=13, markerfacecolor="none", linestyle="none", label="target")
    ax.annotate("start", path[0], xytext=(7, -4), textcoords="offset points")
    ax.set(aspect="equal", xlabel="first weight", title=titles[where], xlim=(-1.1, 1.45), ylim=(-1.1, 1.1))
inset = panels[1].inset_axes([0.66, 0.02, 0.33, 0.36], xticks=[], yticks=[])
inset.plot(*paths["inside"][-20:].T, "o-", color=blue, markersize=4, linewidth=1.2)
inset.plot(*targets["inside"], "k*", markersize=13, markerfacecolor="none")
inset.set(xlim=(0.32, 0.58), ylim=(0.17, 0.43), title="the last 20 steps")
inset.title.set(fontsize=9, fontweight="normal")
panels[1].indicate_inset_zoom(inset)
panels[0].set_ylabel("second weight")
panels[0].legend(loc="upper left")
plt.show()

# %% [markdown]
# In both cases $w$ stays inside. But in the right panel $w$ comes to the target and does not stop there. The point $s$ is always on the surface,
# however small the gradient is. So the step $(1-\eta)(s-w)$ does not become shorter near the target. The usual remedy is to let $1-\eta$ shrink
# from step to step. The source keeps it fixed.
#
# ## The source's two runs
#
# The data are MNIST digits as 784 numbers from 0 to 1. The net has two hidden layers of 64 ReLU units. It trains for ten epochs with batches of 64.
# After each epoch it is evaluated on the test images, which the source calls its validation set. Every variable has its own ball, biases too.

# %% tags=["needed"]
mnist = lesson.data(load_mnist())
x_train, x_test = (images.reshape(-1, 784) / np.float32(255) for images in (mnist.x_train, mnist.x_test))
y_train, y_test = mnist.y_train, mnist.y_test


# %%
def variable_norms(net):
    """The norm of each variable: first kernel, first bias, second kernel, …"""
    return [float(np.linalg.norm(variable.numpy())) for variable in net.trainable_variables]


def frobenius_norm(norms):
    """The norm of all variables together, as if they were one long vector."""
    return np.sqrt(np.sum(np.square(norms), axis=-1))


class NormRecorder(keras.callbacks.Callback):
    """Keeps the norms of all variables, before the training and after each epoch."""

    def on_train_begin(self, logs=None):
        self.norms = [variable_norms(self.model)]

    def on_epoch_end(self, epoch, logs=None):
        self.norms.append(variable_norms(self.model))


# %% [markdown]
# To check the bound later, one net also notes its norms after *every step*: for each of its six variables, the largest norm so far.

# %%
largest = tf.Variable(tf.zeros(6))  # one for each kernel and each bias


class WatchedNet(keras.Sequential):
    def train_step(self, data):
        logs = super().train_step(data)
        norms = [tf.norm(tf.convert_to_tensor(variable)) for variable in self.trainable_variables]
        largest.assign(tf.maximum(largest, norms))
        return logs


def dense_net(optimizer, kind=keras.Sequential):
    hidden = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
    net = kind([keras.Input((784,)), *hidden, keras.layers.Dense(10, activation="softmax")])
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


def first_weights(seed):
    """The weights that a new net has after this seed."""
    lesson.set_seed(seed)
    return dense_net("sgd").get_weights()


# %% [markdown]
# Neither the source's rule nor SGD remembers anything from step to step. So to start a net again, we only put its first weights back. All runs from
# one seed have the same first weights and the same batches.
#
# First, does the library's optimizer take the step that we wrote? It takes one step with the source's settings, and we compare it with our step
# from the same weights.


# %%
eta, radius = 0.99949, 203.0
conditional = dense_net(ConditionalGradient(learning_rate=eta, lambda_=radius), WatchedNet)
with tf.GradientTape() as tape:
    loss = tf.reduce_mean(
        keras.losses.sparse_categorical_crossentropy(y_train[:64], conditional(x_train[:64]))
    )
gradients = tape.gradient(loss, conditional.trainable_variables)
before = conditional.get_weights()
conditional.optimizer.apply_gradients(zip(gradients, conditional.trainable_variables))
after = conditional.get_weights()

# %% tags=["nbval-check-output"]
kept, size = np.float32(eta), np.float32(radius)  # in single precision, as in the library
for old, gradient, new in zip(before, gradients, after):
    print(
        f"{old.shape!s:10} same step:", np.allclose(step(old, gradient.numpy(), kept, size), new, atol=1e-6)
    )

# %% [markdown]
# It does. Now comes the source's comparison: `ConditionalGradient(0.99949, lambda_=203)` against `SGD(0.01)`. **What may be the reason for the two
# numbers `0.99949` and `203`?**


# %%
def train(net, seed, epochs=10, **shown):
    net.set_weights(first_weights(seed))
    recorder, test = NormRecorder(), (x_test, y_test)
    data = dict(batch_size=64, epochs=epochs, validation_data=test)
    history = fit(net, x_train, y_train, **data, callbacks=[recorder], **shown).history
    return {**history, "norms": np.array(recorder.norms), "norm": frobenius_norm(recorder.norms)}


nets = {"conditional gradient": conditional, "SGD": dense_net(keras.optimizers.SGD(0.01))}
seeds = lesson.seeds(1 if lesson.quick else 5)
runs = {method: [] for method in nets}
for method, net in nets.items():
    for seed in progress_bar(seeds, method, unit="training"):
        runs[method].append(train(net, seed, verbose=0))
largest_share = {"203": largest.numpy() / radius}

# %% tags=["record"]
cg, sgd = (runs[method][0] for method in runs)
measures = ("loss", "accuracy", "val_loss", "val_accuracy")
both = {f"conditional_gradient_{measure}": cg[measure] for measure in measures}
both |= {f"sgd_{measure}": sgd[measure] for measure in measures}
lesson.record("S4.c0", **both)
for claim, run in [("S4.c1", cg), ("S4.c2", sgd)]:
    lesson.record(claim, **{measure: run[measure][-1] for measure in ("accuracy", "val_accuracy", "loss")})
lesson.record("S4.c3", **{name: values for name, values in both.items() if name.endswith("accuracy")})
lesson.record("S4.c4", sgd_norm=sgd["norm"][1:], conditional_gradient_norm=cg["norm"][1:])

# %% [markdown]
# Here are the losses and accuracies that the source printed, beside those of our first seed.

# %%
printed = {
    "conditional gradient": {
        "loss": [0.6034, 0.1968, 0.1502, 0.1349, 0.1261, 0.1119, 0.1096, 0.1045, 0.1011, 0.1029],
        "accuracy": [0.8162, 0.9411, 0.9552, 0.9598, 0.9609, 0.9662, 0.9671, 0.9687, 0.9688, 0.9689],
        "val_loss": [0.2282, 0.1865, 0.1356, 0.1084, 0.1162, 0.1277, 0.1009, 0.1015, 0.1180, 0.1590],
        "val_accuracy": [0.9313, 0.9411, 0.9590, 0.9679, 0.9648, 0.9567, 0.9685, 0.9698, 0.9627, 0.9516],
    },
    "SGD": {
        "loss": [1.4885, 0.4087, 0.3267, 0.2903, 0.2691, 0.2466, 0.2210, 0.2137, 0.1996, 0.1925],
        "accuracy": [0.5945, 0.8875, 0.9075, 0.9186, 0.9233, 0.9291, 0.9370, 0.9387, 0.9429, 0.9450],
        "val_loss": [0.4230, 0.3222, 0.2867, 0.2605, 0.2468, 0.2265, 0.2106, 0.2029, 0.1937, 0.1831],
        "val_accuracy": [0.8838, 0.9073, 0.9178, 0.9259, 0.9292, 0.9352, 0.9404, 0.9424, 0.9441, 0.9469],
    },
}


# %%
def beside(method):
    """A table: for each measure, our first seed and the source, epoch by epoch."""
    columns = {}
    for measure, numbers in printed[method].items():
        columns[measure.replace("_", " "), "ours"] = pd.Series(runs[method][0][measure])
        columns[measure.replace("_", " "), "source"] = pd.Series(numbers)
    table = pd.DataFrame(columns).round(4)
    return table.set_index(pd.Index(range(1, len(table) + 1), name="epoch")).rename_axis(columns=[method, ""])


beside("conditional gradient")

# %%
beside("SGD")

# %% [markdown]
# The source draws two figures: the norm of all weights over the epochs, and the accuracies. In our figure a thin line is one of our seeds, a thick
# line is their mean, and a dotted line shows the source's numbers. The accuracies of a first epoch can lie below the panels; they are in the tables.
# (The source prints no norms.)

# %% tags=["figure"] alt="Three panels over ten epochs: training accuracy, test accuracy, and the Frobenius norm of all weights, for conditional gradient and SGD. Conditional gradient has the higher training accuracy; its test accuracy jumps up and down while that of SGD rises smoothly; its norm is the smaller one. After the first epoch the source's dotted lines lie close to ours."
fig, axes = plt.subplots(1, 3, figsize=(11.4, 4.4))
plotting.learning_curves(runs, validation=False, ax=axes[0])
plotting.learning_curves(runs, training=False, ax=axes[1])
for ax, measure in zip(axes, ("accuracy", "val_accuracy")):
    for method, numbers in printed.items():
        label = f"{method}, the source"
        ax.plot(range(1, 11), numbers[measure], ":", color=plotting.colour(method, ax), label=label)
    ax.set(ylim=(0, 1) if lesson.quick else (0.85, 0.99))
handles = axes[0].get_legend_handles_labels()
for ax in axes[:2]:
    ax.get_legend().remove()
for method, found in runs.items():
    norms = np.transpose([run["norm"] for run in found])
    axes[2].plot(norms, color=plotting.colour(method, axes[2]), linewidth=0.8, alpha=0.5)
    axes[2].plot(norms.mean(axis=1), color=plotting.colour(method, axes[2]))
axes[0].set(title="Training accuracy")
axes[1].set(title="Test accuracy", ylabel="")
axes[2].set(title="Frobenius norm of all weights", xlabel="epoch", ylabel="norm", ylim=(0, None))
axes[2].xaxis.set_major_locator(MaxNLocator(integer=True))
fig.legend(*handles, loc="outside lower center", ncols=4, fontsize=10)
plt.show()

# %% [markdown]
# Conditional gradient has the smaller weights and the higher training accuracy, and the source concludes that it regularises. There are two reasons
# for doubt. Its test accuracy jumps up and down, like $w$ near the target in the first figure. And the norm of all weights together is far below
# 203, which is the radius for *each* of the six variables.
#
# ## Is the constraint kept?
#
# In the runs above the bound was checked after each step. But a ball of radius 203 is so wide that this says little. So we add a narrow ball:
# radius `1.0` and $\eta$ = `0.99`. Every variable starts inside it, with a norm of at most half the radius. A norm comes near $\lambda$ only if the
# gradients of many steps point the same way. So we take batches of 1,000, whose gradients differ less from one another.

# %%
start = [weights * min(1, 0.5 / max(np.linalg.norm(weights), 1e-9)) for weights in first_weights(lesson.seed)]
conditional.set_weights(start)
conditional.optimizer.lambda_, conditional.optimizer.learning_rate = 1.0, 0.99
largest.assign(tf.zeros(6))
recorder = NormRecorder()
fit_settings = dict(batch_size=1000, epochs=20, callbacks=[recorder], label="a ball of radius 1")
narrow = fit(conditional, x_train, y_train, **fit_settings).history
largest_share["1"] = largest.numpy() / 1.0

# %%
names = ["kernel 1", "bias 1", "kernel 2", "bias 2", "kernel 3", "bias 3"]
table = pd.DataFrame(largest_share, index=names).add_prefix("radius ")
print(f"accuracy on the training images in the narrow ball: {narrow['accuracy'][-1]:.3f}")
table.round(3).rename_axis("largest share of the radius in any step")

# %% tags=["figure"] alt="The norms of the three kernels as a share of the radius, over the epochs. Left, radius 203: they stay far below the surface. Right, radius 1: they rise close to the surface and stay there."
fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.8), sharey=True)
wide = runs["conditional gradient"][0]["norms"] / radius
for ax, shares, title in [
    (axes[0], wide, "Radius 203: far from the surface"),
    (axes[1], recorder.norms, "Radius 1: the kernels come close to the surface"),
]:
    for place in (0, 2, 4):
        look = dict(color=plotting.colour(names[place], ax), marker=plotting.marker(names[place], ax))
        ax.plot(np.array(shares)[:, place], **look, label=names[place])
    ax.axhline(1, color="black", linestyle=":", linewidth=1.2)
    ax.set(xlabel="epoch", title=title, ylim=(0, 1.05))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
axes[0].set_ylabel("norm, as a share of the radius")
axes[1].legend(loc="lower right")
plt.show()

# %% [markdown]
# The bound holds, in every step and for every variable. In the narrow ball the norms of the kernels come close to the surface and stay there. So
# this constraint *binds*: the loss would be lower outside the ball, and the weights cannot go there. The accuracy above the table says how well a
# net in such a ball can learn.
#
# The source's ball is different. No variable comes anywhere near its surface. **A bound that is never reached restricts nothing.** So what makes
# the weights of the source's run small?

# %% tags=["record"]
worst = table.to_numpy().max()
lesson.record("S4.c5", holds=bool(worst <= 1), worst=worst)

# %% [markdown]
# ## Weight decay, and a step of one length
#
# Write the update again, in another order:
#
# $$w \leftarrow w \;-\; \underbrace{(1-\eta)}_{\text{weight decay}} w \;-\;
#   \underbrace{(1-\eta)\lambda}_{\text{step length}}\,\frac{\nabla}{\lVert\nabla\rVert} .$$
#
# This is gradient descent with weight decay, but only the direction of the gradient counts. The source's two numbers give a decay of
# $1-\eta = 0.00051$ and a step of $0.00051 \cdot 203 \approx 0.104$ for every variable, however flat or steep the loss is. Ten epochs have $9380$
# steps. In these the decay multiplies the first weights by $0.99949^{9380} \approx 0.008$, so almost nothing is left of them. SGD has no decay and
# keeps them. This explains why the norms differ.
#
# If no weights reach the surface, the radius should matter only through the step length $(1-\eta)\lambda$. We test this. We take four radii, each a
# tenth of the one before, and several step lengths. $\eta$ follows from the two. Each net trains for one epoch on 50,000 of the training images,
# and is evaluated on the other 10,000, the *held-out* images. **What decides, the radius or the length?**

# %%
held_out = len(x_train) // 6
fitting, checking = (x_train[:-held_out], y_train[:-held_out]), (x_train[-held_out:], y_train[-held_out:])
radii, lengths = (2030.0, 203.0, 20.3, 2.03), (0.001, 0.003, 0.01, 0.03, 0.104, 0.3, 1.0)
if lesson.quick:
    radii, lengths = radii[::2], lengths[::3]
searched = dense_net(ConditionalGradient(eta, radius))


def one_epoch(net, seed):
    net.set_weights(first_weights(seed))
    fit(net, *fitting, batch_size=64, verbose=0)
    return net.evaluate(*checking, batch_size=1000, verbose=0)[1]


tried = {ball: {length: [] for length in lengths if length < ball} for ball in radii}
cells = [(ball, length) for ball in tried for length in tried[ball]]
for ball, length in progress_bar(cells, "radius and step length", unit="pair"):
    searched.optimizer.lambda_, searched.optimizer.learning_rate = ball, 1 - length / ball
    tried[ball][length] = [one_epoch(searched, seed) for seed in seeds[:3]]

# %% tags=["figure", "cover"] alt="Accuracy on held-out images after one epoch over the length of a step, from 0.001 to 1 on a logarithmic axis, one line for each of four radii, a dot for each seed. For short steps all lines lie close together. The lines of the two largest radii stay together; they are low for the shortest steps and highest in the middle. The line of radius 20.3 leaves them at long steps, that of radius 2.03 much earlier."
fig, ax = plt.subplots()
for ball, found in tried.items():
    name = f"radius {ball:g}"
    look = dict(color=plotting.colour(name, ax), marker=plotting.marker(name, ax))
    for seed in range(len(seeds[:3])):
        ax.plot(
            found.keys(), [values[seed] for values in found.values()], linestyle="none", alpha=0.5, **look
        )
    ax.plot(found.keys(), [np.mean(values) for values in found.values()], color=look["color"], label=name)
ax.axvline(0.104, color="black", linestyle=":", linewidth=1.2)
ax.annotate(
    "the source's step",
    (0.104, 0.02),
    xycoords=("data", "axes fraction"),
    xytext=(4, 0),
    textcoords="offset points",
)
ax.set(xscale="log", xlabel="length of a step, (1 − η) λ", ylabel="accuracy on held-out images")
ax.yaxis.set_major_formatter(PercentFormatter(1))
ax.set_title("In a wide ball the length of the step decides, not the radius")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
lesson.save_figure(fig, "radius-and-rate")
plt.show()

# %% [markdown]
# Start at the dotted line, the source's step. The source's radius and a radius ten times as large give about the same accuracy, although the larger
# one has a tenth of the decay. To the left both lines fall together. So **in a wide ball only the length of the step counts**. On the left the
# accuracies are low because the steps are too short to get far in one epoch, not because a ball is small. (At the longest step the two lines
# separate. There radius 203 has a decay of $1/203 \approx 0.005$ in each step.)
#
# The lines of the smaller balls leave the common line, that of the smallest ball first. With radius `2.03` all steps but the shortest give worse
# results: this ball keeps out weights that the net needs. Nowhere in the figure does a smaller ball help.
#
# ## A fair opponent
#
# The unusual settings of conditional gradient look like the result of a search. SGD's rate, `0.01`, is Keras' default. So we search for a rate for
# SGD, too. The learning-rate finder raises the rate from batch to batch and records the loss ([lesson 09](09_lr_finder_and_1cycle.ipynb)).
# Afterwards the net has its old weights again.

# %%
rated = nets["SGD"]
rated.set_weights(first_weights(lesson.seed))
found = lr_find(rated, *fitting, batch_size=64, start_lr=1e-4)

# %% tags=["figure"] alt="The finder's curve: the loss over the learning rate from 0.0001 to 10 on a logarithmic axis. At the source's rate of 0.01 the loss has hardly begun to fall; it falls steeply up to rates of a few tenths and then climbs."
ax = found.plot()
ax.axvline(0.01, color="black", linestyle=":", linewidth=1.2)
ax.annotate(
    "the source's rate",
    (0.01, 0.05),
    xycoords=("data", "axes fraction"),
    xytext=(-4, 0),
    textcoords="offset points",
    ha="right",
)
ax.set(ylim=(1.2, 2.8), title="At the source's rate the loss has hardly begun to fall")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# The finder has four rules for choosing a rate from such a curve, and their rates differ. (If a marker is missing, it lies above the panel.) We train for one epoch with each of the four rates, and
# choose by the accuracy on the held-out images.

# %%
suggested = pd.DataFrame(
    {"rate": {rule: found.suggestion(rule) for rule in ("valley", "slide", "minimum", "steep")}}
)
accuracies = []
for rate in progress_bar(suggested["rate"], "suggested rates", unit="training"):
    rated.optimizer.learning_rate = rate
    accuracies.append(one_epoch(rated, lesson.seed))
suggested["accuracy on held-out images"] = accuracies
best_rate = float(suggested["rate"].iloc[np.argmax(accuracies)])
suggested.round(4).rename_axis("rule")

# %% [markdown]
# We train three more nets. The first uses SGD with the best of these rates. The second adds the decay that conditional gradient applies. (Keras
# multiplies `weight_decay` by the rate, so we divide by it.) The third uses conditional gradient with steps that shrink: $\eta$ rises in a straight
# line to 1.

# %%
rising = keras.optimizers.schedules.PolynomialDecay(
    eta, decay_steps=10 * -(-len(x_train) // 64), end_learning_rate=1.0
)
rivals = {
    "SGD, rate found": keras.optimizers.SGD(best_rate),
    "SGD, rate found, weight decay": keras.optimizers.SGD(best_rate, weight_decay=(1 - eta) / best_rate),
    "conditional gradient, shrinking steps": ConditionalGradient(rising, lambda_=radius),
}
for method, optimizer in rivals.items():
    net, runs[method] = dense_net(optimizer), []
    for seed in progress_bar(seeds, method, unit="training"):
        net.optimizer.iterations.assign(0)  # a schedule counts steps
        runs[method].append(train(net, seed, verbose=0))

# %% tags=["figure"] alt="Test accuracy and the Frobenius norm of all weights over ten epochs for five methods, thin lines for seeds and thick lines for their mean. SGD at the source's rate is the lowest in accuracy. The others are close together; those with long steps of fixed length jump up and down, and conditional gradient with shrinking steps becomes smooth towards the end."
fig, axes = plt.subplots(1, 2, figsize=(10.8, 5.0))
plotting.learning_curves(runs, training=False, ax=axes[0])
handles = axes[0].get_legend_handles_labels()
axes[0].get_legend().remove()
for method, found_runs in runs.items():
    norms = np.transpose([run["norm"] for run in found_runs])
    axes[1].plot(norms, color=plotting.colour(method, axes[1]), linewidth=0.8, alpha=0.5)
    axes[1].plot(norms.mean(axis=1), color=plotting.colour(method, axes[1]))
axes[0].set(ylim=(None if lesson.quick else 0.9, None), title="Test accuracy: SGD is no longer behind")
axes[1].set(xlabel="epoch", ylabel="norm", ylim=(0, None), title="Frobenius norm of all weights")
axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
fig.legend(*handles, loc="outside lower center", ncols=2, fontsize=10)
plt.show()


# %%
def largest_fall(run):
    """How far the test accuracy falls from one epoch to the next, at most, within the last five."""
    return max(0, *-np.diff(run["val_accuracy"][-5:]))


summary = {
    method: {
        "training accuracy": np.mean([run["accuracy"][-1] for run in found_runs]),
        "test accuracy": np.mean([run["val_accuracy"][-1] for run in found_runs]),
        "largest fall in the last five epochs": np.mean([largest_fall(run) for run in found_runs]),
        "norm of all weights": np.mean([run["norm"][-1] for run in found_runs]),
    }
    for method, found_runs in runs.items()
}
pd.DataFrame(summary).T.round(4).rename_axis("last epoch, mean over seeds")

# %% [markdown]
# The table shows three things. First, SGD was behind at the source's rate. With the rate found, it has the highest training accuracy. **So
# conditional gradient was ahead because of the learning rates.** Second, SGD with the same decay has even smaller weights than conditional
# gradient. A small norm comes from the decay, and needs no ball. Third, with shrinking steps the accuracy no longer falls in the last epochs: steps
# of one length go round a minimum, as in the first figure, and shrinking steps settle. (Shrinking steps would help SGD as well:
# [lesson 08](08_learning_rate_schedules.ipynb).)
#
# Does a small norm make the net better on new images? Sort the rows by their norm: the test accuracies do not follow this order.
#
# ## Aside: the nuclear norm
#
# (Skip this section if you do not know singular values.) The same idea works for any convex set over which it is easy to minimise a linear
# function. The **nuclear norm** of a matrix is the sum of its singular values. In its ball the lowest point is $-\lambda\,u v^\top$, where $u$ and
# $v$ are the first pair of singular vectors of $\nabla$. This is a matrix of rank one. Each step shrinks the kernel and adds one such matrix.
# **What will this do to the singular values of a kernel?**

# %%
contenders = {
    "SGD, rate found": keras.optimizers.SGD(best_rate),
    "conditional gradient": ConditionalGradient(eta, radius),
    "conditional gradient, nuclear norm": ConditionalGradient(eta, radius, ord="nuclear"),
}
spectra, rows = {}, {}
for method in progress_bar(list(contenders), "three epochs", unit="training"):
    net = dense_net(contenders[method])
    accuracy = train(net, lesson.seed, epochs=3, verbose=0)["val_accuracy"][-1]
    spectra[method] = np.linalg.svd(net.layers[0].kernel.numpy(), compute_uv=False)
    large = np.sum(spectra[method] > spectra[method][0] / 3)
    rows[method] = {"test accuracy": accuracy, "of 64 singular values, above a third of the first": large}
pd.DataFrame.from_dict(rows, orient="index").round(4)

# %% tags=["figure"] alt="The 64 singular values of the first kernel, by size, as shares of the largest, on a logarithmic axis. Those of the nuclear norm fall fastest."
fig, ax = plt.subplots(figsize=(7.6, 4.0))
for method, values in spectra.items():
    look = dict(color=plotting.colour(method, ax), marker=plotting.marker(method, ax), markersize=4)
    ax.plot(range(1, 65), values / values[0], label=method, **look)
ax.set(yscale="log", xlabel="singular value of the first kernel, by size", ylabel="share of the largest")
ax.set_title("Steps of rank one build a kernel of few directions")
ax.legend()
plt.show()

# %% [markdown]
# A kernel with few large singular values can be stored and applied as two thin matrices. That is the use of the nuclear norm, not accuracy.
#
# ## Verdicts
#
# The losses, accuracies and comparisons of the source, measured over several seeds on both stacks, in full mode on the real MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("10_conditional_gradient")

# %% [markdown]
# ## What to take away
#
# - Conditional gradient keeps a constraint at every step without a projection, because it moves on straight lines between points of a convex set.
# - A constraint has an effect only if it binds. The source's ball never does.
# - With a wide ball and a fixed $\eta$, the method is weight decay plus a step of one length.
# - A comparison is fair only if somebody has searched for the learning rates of both sides. After such a search SGD was not behind.
# - Steps of one length cannot settle at a minimum inside the ball. Let them shrink.
#
# **Today** there are again steps whose length does not depend on the length of the gradient. LARS and LAMB scale each layer's step by the norm of
# its weights. Lion takes the sign of each component. Muon replaces a kernel's gradient by $U V^\top$: it takes all singular vectors, where the
# nuclear norm takes only the first pair. All of them are used with weight decay and with a schedule that ends near zero. TensorFlow Addons is no
# longer developed; for Keras 3 the course has its own version of this optimizer.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold our answer.
#
# **1.** A training with conditional gradient diverges at a `learning_rate` of `0.99949`. A colleague first divides the rate by ten, and then clips
# the gradients at a length of one. What does each change do?
#
# <details><summary>An answer</summary>
#
# The rate is the share of $w$ that is *kept*. With a tenth of the rate, each step keeps a tenth of the weights and goes nine tenths of the way to
# the surface. Such steps are more than a thousand times as long as before. Clipping changes the length of a gradient. The update uses only its
# direction, so clipping changes nothing. A rate closer to one, or a smaller radius, makes the steps shorter.
#
# </details>
#
# **2.** You double $\lambda$ and halve $1-\eta$. What stays the same? How does a variable's norm after a long training change, if its gradients are
# only noise? How does it change, if all gradients point the same way?
#
# <details><summary>An answer</summary>
#
# The step length $(1-\eta)\lambda$ stays the same. The decay is half as strong, so each step has an effect for twice as long. Sums of noise grow
# with the square root of their number: the norm, $\lambda\sqrt{(1-\eta)/(1+\eta)}$, becomes about $\sqrt 2$ times as large. If the gradients agree,
# the norm tends to $\lambda$, so it becomes twice as large. Only then do the weights come near the surface.
#
# </details>
#
# **3.** With a fixed $\eta$, $w$ settles if the target lies outside the ball, and never settles if it lies inside. The step is $(1-\eta)(s-w)$ in
# both cases. What is the difference?
#
# <details><summary>An answer</summary>
#
# If the target is outside, the best point lies on the surface, and the gradient there is not zero. Near this point, if $1-\eta$ is small, the
# direction of the gradient hardly changes. So $s$ stays at the best point, $w$ comes closer to $s$, and the steps shrink by themselves. If the
# target is inside, the gradient is zero at the target, and near it a small move can reverse the gradient. So $s$ jumps about on the surface, far
# from $w$, and the steps keep their length.
#
# </details>
#
# **4.** A kernel of 50,000 weights and a bias of ten weights have the same radius. In which of the two do single weights move farther in a step,
# and how much farther? Which radii would make them equal, and which problem would remain?
#
# <details><summary>An answer</summary>
#
# A step of length $d$ over $n$ weights moves each weight by $d/\sqrt n$ (root of the mean square). The bias's weights move $\sqrt{5000} \approx 70$
# times as far. Radii proportional to $\sqrt n$ make them equal. But the steps still ignore how steep the loss is, and all kernels of a deep net
# still move at once.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each exercise has a cell to fill in. The check below it tries your code on inputs of its own and answers in a sentence. The solutions are in
# [a separate notebook](solutions/10_conditional_gradient.ipynb). Any code that does what the card asks passes.

# %% tags=["given"]
from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · Other balls
#
# *15 minutes.* **What.** Write `lowest_point`. It returns the point $s$ of a ball around the origin at which the sum of gradient times $s$ is
# smallest. `norm` says which ball, as in `np.linalg.norm` of all weights as one long vector: 1 (sum of the absolute values), 2 (length) or `np.inf`
# (largest absolute value). The point has the gradient's shape. For a gradient of zeros any point of the ball is right.
#
# **Why.** Conditional gradient needs to know nothing else about a set. If the set has corners, the weights become sums of corners. At a corner of
# the ℓ1 ball a single weight differs from zero. At a corner of the ℓ∞ ball all weights have the same absolute value.


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
# We take a hundred steps in each of the three balls, with steps that shrink. The function to minimise is the loss of a net without hidden layers
# and biases on 2,000 digits: one kernel of 784 × 10 weights, and a convex loss.

# %% tags=["solution"]
from scipy.special import softmax

x, digits = x_train[:2000], y_train[:2000]


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
    accuracy = np.mean(np.argmax(x_test @ w, axis=1) == y_test)
    row = f"{ball}{radius:10g}{loss_and_gradient(w)[0]:9.3f}{accuracy:11.3f}"
    print(f"{row}{np.sum(w != 0):18} of {w.size}{np.abs(w).max():15.3f}")

# %% [markdown] tags=["solution"]
# Each step in the ℓ1 ball adds one corner, and there a single weight differs from zero. So after a hundred steps at most a hundred weights differ
# from zero. In the ℓ∞ ball every weight with a gradient moves in every step, by the gradient's sign, as in Lion. The ℓ2 ball has no corners. Do not
# compare the accuracies: nobody has searched for the best radius of each ball.

# %% [markdown] tags=["exercise"]
# ### 2 · How far down is it still?
#
# *10 minutes.* **What.** Write `duality_gap`: the sum of $\nabla \cdot (w - s)$ over the variables of a net. Each variable has its own ℓ2 ball, all
# with the same radius, and $s$ is the ball's lowest point. The function gets a list of weights and a list of gradients. A variable whose gradient
# is zero adds nothing.
#
# **Why.** A convex loss nowhere lies below its tangent. So inside the ball the loss can fall by no more than the tangent falls from $w$ to $s$.
# This fall is the gap. It bounds how much lower the loss can become, and you need not know the minimum. The length of the gradient gives no such
# bound: at the surface it need not become zero.


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
# We follow the two paths of the lesson's first figure. At each point, how much higher is the loss than at the lowest point of the ball, and how
# large is the gap?

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
# The gap is never smaller than the true difference. For the target outside it falls towards zero, although the gradient does not. For the target
# inside it stops falling: with a fixed $\eta$, $w$ comes near the target and then goes round it. The gap alone shows which case it is.

# %% [markdown] tags=["exercise"]
# ### 3 · The Frank–Wolfe walk
#
# *25 minutes.* **What.** Write `frank_wolfe`, which minimises a convex function over the ℓ2 ball of one variable. `gradient_at(w)` gives its
# gradient. Step $t = 0, 1, 2, \dots$ goes the share $1-\eta = 2/(t+2)$ of the way from $w$ to $s$. Return the first point whose gap is at most
# `tolerance`. If the start is good enough, return it unchanged. (A `for` loop with a generous end is safer than `while True`.)
#
# **Why.** In the lesson's first figure the walk to the target inside never settles. Steps that shrink do settle, and the gap says when to stop.
# Together they are the Frank–Wolfe algorithm in Jaggi's form (2013).


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
# We train the kernel of the first exercise again, in the ℓ2 ball of radius 5, until the gap is at most `0.02`. For comparison we take as many steps
# with a fixed share of the way, $5\,\%$ and $1\,\%$.

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

# %% tags=["solution", "figure"] alt="The duality gap over the steps on a logarithmic axis. The share of 5 % falls, jumps up and stays level; the share of 1 % falls slowly; shares that shrink jump up at first and then fall to the tolerance."
fig, ax = plt.subplots()
for (name, trace), dash in zip(seen.items(), ["-", "--", "-."]):
    ax.plot([gap for _, gap in trace], dash, color=plotting.colour(name, ax), label=name)
ax.axhline(0.02, color="black", linestyle=":", linewidth=1.2, label="tolerance")
ax.set(yscale="log", xlabel="step", ylabel="duality gap (nats)")
ax.set_title("A large share does not settle, a small one is slow")
ax.legend()
plt.show()

# %% [markdown] tags=["solution"]
# With the share of $5\,\%$ the gap falls, rises again and stays high. With $1\,\%$ it falls slowly. With shares that shrink you need not choose.
# And at the end the gap is a proof: no other kernel of this ball has a loss that is lower by more than `0.02`. (The loss of a net with hidden
# layers is not convex. There a small gap says only that near this point no direction within the ball leads steeply down.)

# %% [markdown] tags=["exercise"]
# ### 4 · Predict, run, explain: the same settings on CIFAR-10
#
# *10 minutes.* The source's settings are said to fail on CIFAR-10: the accuracy stays at the $10\,\%$ of guessing. We try them for two epochs on
# three nets: the source's net with pixels scaled to [0, 1]; the same net with pixels from 0 to 255; and a net of sixteen hidden layers with scaled
# pixels.
#
# **Predict.** All steps have one length, even where the loss is steep. Which of the three nets will learn? Write down your answer.
#
# **Run.** Run the cells below. The last two columns show a ratio for the kernels of each net, the smallest and the largest. The ratio is the norm
# of a kernel, divided by the norm that its first weights would have if they were only multiplied by $\eta$ in each step.
#
# **Explain.** What does a ratio near 1 say about the gradients of this kernel? What happened in the nets that failed?

# %% tags=["predict"]
from course_utils.data import load_cifar10

cifar10 = lesson.data(load_cifar10())
pixels, pixels_test = (
    images.reshape(-1, 3072).astype("float32") for images in (cifar10.x_train, cifar10.x_test)
)


# %% tags=["predict"]
def try_on_cifar(layers, divisor, eta=0.99949, epochs=2):
    """Test accuracy, and the kernels' norms beside what shrinking alone would have left of them."""
    lesson.set_seed()
    hidden = [keras.layers.Dense(64, activation="relu") for _ in range(layers)]
    net = keras.Sequential([keras.Input((3072,)), *hidden, keras.layers.Dense(10, activation="softmax")])
    net.compile(
        ConditionalGradient(eta, lambda_=203), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    start = [np.linalg.norm(layer.kernel.numpy()) for layer in net.layers]
    test = (pixels_test / divisor, cifar10.y_test)
    run = fit(
        net, pixels / divisor, cifar10.y_train, batch_size=64, epochs=epochs, validation_data=test, verbose=0
    )
    shrunk = eta ** (epochs * -(-len(pixels) // 64))
    ratios = [
        np.linalg.norm(layer.kernel.numpy()) / (norm * shrunk) for layer, norm in zip(net.layers, start)
    ]
    return {
        "test accuracy": run.history["val_accuracy"][-1],
        "smallest ratio": min(ratios),
        "largest": max(ratios),
    }


# %% tags=["predict"]
cases = {"2 layers, scaled": (2, 255), "2 layers, raw pixels": (2, 1), "16 layers, scaled": (16, 255)}
outcomes = {name: try_on_cifar(*case) for name, case in progress_bar(cases.items(), "CIFAR-10", unit="net")}
pd.DataFrame(outcomes).T.round(3)

# %% [markdown] tags=["exercise"]
# <details><summary>An explanation</summary>
#
# The source's net learns on scaled pixels. The other two stay at guessing, and all their ratios are close to 1: each kernel is almost only its
# first weights, multiplied by $\eta$ in each step. So almost from the beginning **no kernel has had a gradient**. The reason is that all ReLUs of
# the last hidden layer are dead: their output is zero for every image, and they pass no gradient back.
#
# Why did they die? Every variable moves by $0.104$ in each step, even where the loss is very sensitive to it. With pixels up to 255, such a step of
# the first kernel can change the outputs of its layer by hundreds. With sixteen hidden layers, seventeen kernels move at once. Gradient descent
# takes small steps where the gradient is small; here every step has the same length. Shorter steps help, and scaled pixels too. The solutions try a
# tenth of the length for the deep net, and a hundredth for the raw pixels. The deep net then begins to learn. The net with raw pixels still learns
# badly: steps that are short enough for the first kernel are too short for the other kernels.
#
# </details>

# %% tags=["solution"]
cures = {
    "16 layers, scaled": (16, 255, 1 - (1 - 0.99949) / 10),
    "2 layers, raw pixels": (2, 1, 1 - (1 - 0.99949) / 100),
}
cured = {name: try_on_cifar(*case) for name, case in progress_bar(cures.items(), "shorter steps", unit="net")}
pd.DataFrame(cured).T[["test accuracy"]].round(3).rename_axis("with shorter steps")

# %% [markdown]
# ## References
#
# - M. Frank, P. Wolfe, *An algorithm for quadratic programming*, 1956: the step.
# - M. Jaggi, *Revisiting Frank-Wolfe: Projection-Free Sparse Convex Optimization*, 2013,
#   [proceedings](https://proceedings.mlr.press/v28/jaggi13.html): shares of $2/(t+2)$, the gap, and other sets, such as the ball of the nuclear
#   norm.
# - S. Ravi and others, *Constrained Deep Learning using Conditional Gradient and Applications in Computer Vision*, 2018,
#   [arXiv:1803.06453](https://arxiv.org/abs/1803.06453): what the Addons optimizer implements.
# - Y. You, I. Gitman, B. Ginsburg, *Large Batch Training of Convolutional Networks*, 2017,
#   [arXiv:1708.03888](https://arxiv.org/abs/1708.03888): steps scaled layer by layer (LARS).
