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
# # 07 · Optimizers and clipping
#
# Gradient descent takes steps against the gradient. The other optimizers of this lesson do so too, but they remember something: the direction of
# earlier steps, the size of earlier gradients, or both. What does each memory do? Which optimizer should you take? And what helps when a single
# step is so long that it destroys the net?
#
# - **You will learn:** the update rules of nine optimizers, each written by hand in a few lines · what each does in a narrow valley, and what it
#   loses when the valley is turned · to compare optimizers, each at its own best learning rate · to clip a gradient, with and without a change of
#   its direction.
# - **You need:** a dense net in Keras; gradients; [lesson 00](00_start_here.ipynb).
# - **Reproduces:** *Training Deep Neural Networks*, part D (faster optimizers) and, of part B, gradient clipping: chapter 11 of A. Géron's
#   *Hands-On Machine Learning*, notebook of the second edition, 2019. It constructs the optimizers and prints no number for them, so there is no
#   claim to check. All comparisons here are the course's own.
# - **Time:** about 25 minutes to read; a full run takes as long as the line above says, a run in quick mode less than a minute.

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("07_optimizers_and_clipping")

# %% tags=["needed"]
import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf

from course_utils import plotting
from course_utils.data import load_fashion_mnist
from course_utils.training import fit, progress_bar

# %% [markdown]
# ## Nine update rules
#
# The letters: $w$ is a weight, $g$ the gradient of the loss for this weight, $\eta$ the learning rate, and $t = 1, 2, \dots$ the number of the
# step. All rules work on each weight separately. There are three kinds of memory:
#
# - a *velocity* $v$, a sum of the earlier $-\eta g$ in which older ones count less and less;
# - a *mean gradient* $m \leftarrow \beta_1 m + (1-\beta_1)\,g$, an average over about the last $1/(1-\beta_1)$ steps;
# - a *mean square* $s \leftarrow \beta_2 s + (1-\beta_2)\,g^2$, which says how large the gradients of this weight have been.
#
# $m$ and $s$ start at zero, so at first they are too small. The corrected values are $\hat m = m/(1-\beta_1^t)$ and $\hat s = s/(1-\beta_2^t)$.
# $\varepsilon$ (`1e-7`) only prevents a division by zero. (Keras' Adam adds it before the correction, which changes almost nothing.)
#
# | | it remembers | its step, as in Keras |
# |---|---|---|
# | SGD | nothing | $w \leftarrow w - \eta g$ |
# | momentum | a velocity | $v \leftarrow \beta v - \eta g, \quad w \leftarrow w + v$ |
# | Nesterov | the same, with the gradient one step ahead | $v \leftarrow \beta v - \eta g, \quad w \leftarrow w + \beta v - \eta g$ |
# | Adagrad | the sum of all squares | $s \leftarrow s + g^2, \quad w \leftarrow w - \eta\, g/\sqrt{s + \varepsilon}$; $s$ starts at $0.1$ |
# | RMSprop | the mean square | $s \leftarrow \rho s + (1-\rho) g^2, \quad w \leftarrow w - \eta\, g/\sqrt{s + \varepsilon}$ |
# | Adam | mean gradient and mean square | $w \leftarrow w - \eta\, \hat m/(\sqrt{\hat s} + \varepsilon)$ |
# | AdamW | the same, and shrinks the weights | $w \leftarrow (1-\eta\lambda)\,w$, then Adam's step |
# | Adamax | mean gradient and largest recent gradient | $s \leftarrow \max(\beta_2 s, \lvert g\rvert), \quad w \leftarrow w - \eta\, \hat m/(s + \varepsilon)$ |
# | Nadam | as Adam, one step ahead | $\bar m = \dfrac{\mu_{t+1}\, m}{1-\mu_1\cdots\mu_{t+1}} + \dfrac{(1-\mu_t)\, g}{1-\mu_1\cdots\mu_t}, \quad w \leftarrow w - \eta\, \bar m/(\sqrt{\hat s} + \varepsilon)$ |
#
# The chapter's settings are $\beta = 0.9$, $\rho = 0.9$, $\beta_1 = 0.9$, $\beta_2 = 0.999$. Nadam's $\mu_t = \beta_1\,(1 - 0.5 \cdot 0.96^t)$
# grows from about half of $\beta_1$ to $\beta_1$. Nesterov takes the gradient one step ahead; Keras stores this place ahead as $w$, so $g$ is again
# the gradient at $w$. AdamW is not in the chapter; $\lambda$ is its weight decay.
#
# Now the rules in code, first those with a velocity. `memory` is a dictionary that is empty at the start.


# %% tags=["needed"]
def sgd(w, g, t, memory, rate):
    return w - rate * g


def momentum(w, g, t, memory, rate, beta=0.9):
    v = memory["v"] = beta * memory.get("v", 0) - rate * g
    return w + v


def nesterov(w, g, t, memory, rate, beta=0.9):
    v = memory["v"] = beta * memory.get("v", 0) - rate * g
    return w + beta * v - rate * g


# %% [markdown]
# Then the rules that divide by the size of each weight's gradients:


# %% tags=["needed"]
def adagrad(w, g, t, memory, rate):
    s = memory["s"] = memory.get("s", 0.1) + g**2
    return w - rate * g / np.sqrt(s + 1e-7)


def rmsprop(w, g, t, memory, rate, rho=0.9):
    s = memory["s"] = rho * memory.get("s", 0) + (1 - rho) * g**2
    return w - rate * g / np.sqrt(s + 1e-7)


# %% [markdown]
# And the rules that do both:


# %% tags=["needed"]
def adam(w, g, t, memory, rate, beta_1=0.9, beta_2=0.999):
    m = memory["m"] = beta_1 * memory.get("m", 0) + (1 - beta_1) * g
    s = memory["s"] = beta_2 * memory.get("s", 0) + (1 - beta_2) * g**2
    return w - rate * m / (1 - beta_1**t) / (np.sqrt(s / (1 - beta_2**t)) + 1e-7)


def adamax(w, g, t, memory, rate, beta_1=0.9, beta_2=0.999):
    m = memory["m"] = beta_1 * memory.get("m", 0) + (1 - beta_1) * g
    s = memory["s"] = np.maximum(beta_2 * memory.get("s", 0), np.abs(g))
    return w - rate * m / (1 - beta_1**t) / (s + 1e-7)


def nadam(w, g, t, memory, rate, beta_1=0.9, beta_2=0.999):
    now, ahead = (beta_1 * (1 - 0.5 * 0.96**k) for k in (t, t + 1))
    product = memory["product"] = memory.get("product", 1) * now
    m = memory["m"] = beta_1 * memory.get("m", 0) + (1 - beta_1) * g
    s = memory["s"] = beta_2 * memory.get("s", 0) + (1 - beta_2) * g**2
    mean = ahead * m / (1 - product * ahead) + (1 - now) * g / (1 - product)
    return w - rate * mean / (np.sqrt(s / (1 - beta_2**t)) + 1e-7)


# %% [markdown]
# In Keras each optimizer is one line. Does it make the same steps as our function? (AdamW follows further down.) We give both the same twenty
# random gradients for three weights.

# %% tags=["needed"]
by_hand = {
    "SGD": sgd,
    "momentum": momentum,
    "Nesterov": nesterov,
    "Adagrad": adagrad,
    "RMSprop": rmsprop,
    "Adam": adam,
    "Adamax": adamax,
    "Nadam": nadam,
}
in_keras = {
    "SGD": lambda rate: keras.optimizers.SGD(rate),
    "momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
    "Nesterov": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
    "Adagrad": lambda rate: keras.optimizers.Adagrad(rate),
    "RMSprop": lambda rate: keras.optimizers.RMSprop(rate, rho=0.9),
    "Adam": lambda rate: keras.optimizers.Adam(rate, beta_1=0.9, beta_2=0.999),
    "Adamax": lambda rate: keras.optimizers.Adamax(rate, beta_1=0.9, beta_2=0.999),
    "Nadam": lambda rate: keras.optimizers.Nadam(rate, beta_1=0.9, beta_2=0.999),
}


# %%
def largest_difference(step, optimizer, rate=0.1):
    """Between the weights by hand and by Keras, over twenty steps."""
    w, memory, largest = np.array([1.0, -2.0, 3.0]), {}, 0
    variable = tf.Variable(w, dtype="float32")
    for t, g in enumerate(np.random.default_rng(0).normal(size=(20, 3)), start=1):
        w = step(w, g, t, memory, rate)
        optimizer.apply_gradients([(tf.constant(g, "float32"), variable)])
        largest = max(largest, np.abs(w - variable.numpy()).max())
    return largest


# %% tags=["nbval-check-output"]
for name, step in by_hand.items():
    print(f"{name:9} the same steps:", bool(largest_difference(step, in_keras[name](0.1)) < 1e-5))

# %% [markdown]
# ## A ravine
#
# Our loss has two weights and looks like a long narrow valley, a *ravine*. It is two hundred times steeper across the valley than along it:
#
# $$\text{loss} = \tfrac12\,(0.01\,w_1^2 + 2\,w_2^2).$$
#
# The optimizers start on a wall of the valley and should reach the minimum at the origin. They need different learning rates, so each gets its own.
# We try twenty-five rates, and allow those with which $\lvert w_1 \rvert$ stays below 10 and $\lvert w_2 \rvert$ below `2.6`. Of these we take the
# rate with the lowest loss after sixty steps, in the median over twenty starting points. **Before you look:** which optimizers will zigzag, which
# will overshoot, and which will walk straight?


# %% tags=["needed"]
def ravine(degrees=0):
    """The curvatures of the valley, turned counterclockwise, and the turn."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ np.diag([0.01, 2.0]) @ turn.T, turn


def walk(step, rate, degrees=0, steps=60):
    """The places after every step, and their losses, from all starting points at once."""
    curvature, turn = ravine(degrees)
    w, memory = starts @ turn.T, {}
    places = [w]
    for t in range(1, steps + 1):
        w = step(w, w @ curvature, t, memory, rate)
        places.append(w)
    places = np.array(places)
    return places, 0.5 * np.sum(places * (places @ curvature), axis=-1)


# %% tags=["needed"]
rng = np.random.default_rng(lesson.seed)
along, across = rng.uniform(-9, -6, 20), rng.choice([-1, 1], 20) * rng.uniform(1, 2, 20)
starts = np.stack([along, across], axis=1)
starts[0] = [-9, 1.6]  # the one that is drawn


def best_walk(step, degrees=0):
    """Rate, places and losses of the walk with the lowest median loss at the end."""
    found = []
    for rate in np.geomspace(1e-3, 1e1, 25):
        with np.errstate(all="ignore"):  # some rates run away
            places, losses = walk(step, rate, degrees)
            inside = (np.abs(places @ ravine(degrees)[1]) <= [10, 2.6]).all()
        if inside:
            found.append((np.median(losses[-1]), rate, places, losses))
    return min(found, key=lambda one: one[0])[1:]


# %%
straight = {name: best_walk(step) for name, step in by_hand.items()}

# %% tags=["figure", "cover"] alt="Eight panels with the same narrow valley, one for each optimizer. SGD comes down the wall and moves only a short way along the floor. Momentum and Nesterov get much further; momentum swings across the valley. The five optimizers that divide by the size of each weight's gradients end at the minimum or close to it."
fig, panels = plt.subplots(2, 4, figsize=(12.5, 4.6), sharex=True, sharey=True)
grid = np.stack(np.meshgrid(np.linspace(-10, 4, 200), np.linspace(-2.6, 2.6, 200)), axis=-1)
heights = 0.5 * np.sum(grid * (grid @ ravine()[0]), axis=-1)
for ax, (name, (rate, places, _)) in zip(panels.flat, straight.items()):
    ax.contour(
        *np.moveaxis(grid, -1, 0), heights, levels=np.geomspace(0.01, 8, 9), colors="silver", linewidths=0.8
    )
    ax.plot(*places[:, 0].T, "o-", color=plotting.colour(name), markersize=3, linewidth=1.2)
    ax.plot(0, 0, "k*", markersize=12)
    ax.set_title(f"{name}, η = {rate:.2g}", fontsize=11)
    ax.grid(False)
for ax in panels[1]:
    ax.set_xlabel("along the valley")
for ax in panels[:, 0]:
    ax.set_ylabel("across")
fig.suptitle("A valley along an axis: sixty steps, each optimizer at its own best rate")
lesson.save_figure(fig, "ravine")
plt.show()

# %% [markdown]
# SGD needs a rate that is small enough for the steep walls. At this rate it moves very slowly along the floor. Along the floor all gradients point
# the same way, so momentum becomes faster there; but it swings from wall to wall. Nesterov uses the gradient one step ahead, and swings less. The
# others divide each weight's gradient by the size of its gradients so far. So both weights start with steps of about the same length. (Adagrad is
# an exception: its $s$ starts at $0.1$, which keeps the first steps along the floor short.)
#
# ## The turned ravine
#
# This valley runs along an axis, and that suits rules that divide weight by weight. But the valleys of a net's loss run in any direction. So we
# turn the valley by 45°, and the starting points with it. **For which optimizers will this make no difference?**

# %%
turned = {name: best_walk(step, degrees=45) for name, step in by_hand.items()}

# %% tags=["figure"] alt="Four panels with the valley turned by 45 degrees. Momentum moves along it as before. Adagrad and RMSprop come down the wall and then move slowly along the floor. Adam gets further, but does not reach the minimum."
fig, panels = plt.subplots(1, 4, figsize=(12.5, 3.4), sharex=True, sharey=True)
grid = np.stack(np.meshgrid(np.linspace(-9, 3, 200), np.linspace(-9, 3, 200)), axis=-1)
heights = 0.5 * np.sum(grid * (grid @ ravine(45)[0]), axis=-1)
for ax, name in zip(panels, ("momentum", "Adagrad", "RMSprop", "Adam")):
    rate, places, _ = turned[name]
    ax.contour(
        *np.moveaxis(grid, -1, 0), heights, levels=np.geomspace(0.01, 8, 9), colors="silver", linewidths=0.8
    )
    ax.plot(*places[:, 0].T, "o-", color=plotting.colour(name), markersize=3, linewidth=1.2)
    ax.plot(0, 0, "k*", markersize=12)
    ax.set_title(f"{name}, η = {rate:.2g}", fontsize=11)
    ax.set(xlabel="first weight", aspect="equal")
    ax.grid(False)
panels[0].set_ylabel("second weight")
fig.suptitle("The valley turned: momentum moves as before, the other three do not")
plt.show()

# %%
median = {
    "rate": {name: rate for name, (rate, _, _) in straight.items()},
    "loss after 60 steps": {name: np.median(losses[-1]) for name, (_, _, losses) in straight.items()},
    "rate, turned": {name: rate for name, (rate, _, _) in turned.items()},
    "loss, turned": {name: np.median(losses[-1]) for name, (_, _, losses) in turned.items()},
}
pd.DataFrame(median).map(lambda value: f"{value:.2g}")

# %% tags=["figure"] alt="For each optimizer two rows of twenty dots, the loss after sixty steps in the straight and in the turned valley. The two rows of SGD are the same, and so are those of momentum and Nesterov. The other five have larger losses in the turned valley; for Adagrad, RMSprop and Nadam they are larger by several powers of ten."
fig, ax = plt.subplots(figsize=(8.4, 4.6))
for row, name in enumerate(by_hand):
    for shift, (_, _, losses), face in [(-0.15, straight[name], None), (0.15, turned[name], "white")]:
        kind = "along an axis" if face is None else "turned by 45°"
        ax.plot(
            np.maximum(losses[-1], 1e-9), [row + shift] * len(starts), "o", color=plotting.colour(name, ax),
            markerfacecolor=face, markersize=5, label=kind if row == 0 else None,
        )  # fmt: skip
ax.set_yticks(range(len(by_hand)), list(by_hand))
ax.invert_yaxis()
ax.set(
    xscale="log",
    xlabel="loss after sixty steps, a dot for each starting point (smaller losses are drawn at 1e-9)",
)
ax.set_title("In the turned valley five of eight end higher")
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# SGD, momentum and Nesterov only add gradients and multiply them by numbers. If the valley turns, their paths turn with it. The others divide
# weight by weight. In the turned valley both weights have a steep and a flat part in their gradients. So both are divided by about the same number,
# and most of the advantage is lost: Adagrad and RMSprop move along the floor about as slowly as SGD. Adam was ahead of momentum and is now behind
# it. Nesterov and Nadam do well in both valleys. A ravine shows what a memory does. It does not say which optimizer is best for a net.
#
# ## The race
#
# Now we train a net: 300-100-10 (the units of its three layers) with ReLU, on 12,800 images of Fashion-MNIST, with batches of 64. Four epochs are
# eight hundred steps. First comes a search: every optimizer trains at five rates, from two seeds each. It keeps the rate with the lowest mean loss
# on the *validation* images. (The five rates span a factor of a hundred. A coarser search, not shown, found where to look.) Then comes the race: at
# this rate the optimizer trains from five other seeds, and we measure on the *test* images, which played no part in the choice. The trainings of
# the search are as long as those of the race, because a short training has another best rate than a long one.

# %%
fashion = lesson.data(load_fashion_mnist(validation=5_000))
x_train, x_valid, x_test = (
    images / np.float32(255) for images in (fashion.x_train[:12_800], fashion.x_valid, fashion.x_test)
)
y_train, y_valid, y_test = fashion.y_train[:12_800], fashion.y_valid, fashion.y_test


# %%
def trained(name, rate, seed, images, labels):
    """Train a fresh net by a fresh optimizer; loss and accuracy on the images at the end."""
    lesson.set_seed(seed)
    layers = keras.layers
    net = keras.Sequential([keras.Input((28, 28)), layers.Flatten()])
    net.add(layers.Dense(300, activation="relu", kernel_initializer="he_normal"))
    net.add(layers.Dense(100, activation="relu", kernel_initializer="he_normal"))
    net.add(layers.Dense(10, activation="softmax"))
    net.compile(in_keras[name](rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    check = {"validation_data": (images, labels), "validation_batch_size": 250}
    found = fit(net, x_train, y_train, batch_size=64, epochs=4, **check, verbose=0).history
    return found["val_loss"][-1], found["val_accuracy"][-1]


# %%
lowest = {"SGD": 1e-2, "momentum": 1e-3, "Nesterov": 1e-3, "Adagrad": 3e-3}
lowest |= {"RMSprop": 1e-4, "Adam": 1e-4, "Adamax": 1e-3, "Nadam": 1e-4}
racing = ["SGD", "Adam"] if lesson.quick else list(in_keras)
exponents = np.array([1.0] if lesson.quick else [0, 0.5, 1, 1.5, 2])
rates = {name: lowest[name] * 10**exponents for name in racing}
searched = {name: [] for name in racing}
plan = [(name, rate) for name in racing for rate in rates[name]]
for name, rate in progress_bar(plan, "every optimizer at its rates", unit="rate"):
    seeds = [lesson.seed + 1, lesson.seed + 2][: 1 if lesson.quick else 2]
    losses = [trained(name, rate, seed, x_valid, y_valid)[0] for seed in seeds]
    searched[name].append(np.where(np.isfinite(losses), losses, np.inf))
chosen = {name: rates[name][np.argmin(np.mean(searched[name], axis=1))] for name in racing}

# %% tags=["figure"] alt="Validation loss after four epochs against the learning rate, one line for each of eight optimizers. Each has a lowest point at a rate of its own; plain SGD's lies far to the right of Adam's."
fig, ax = plt.subplots(figsize=(8.4, 4.6))
for name in racing:
    shade, means = plotting.colour(name, ax), np.mean(searched[name], axis=1)
    ax.plot(rates[name], means, color=shade, marker=plotting.marker(name, ax), label=name)
    ax.plot(rates[name], searched[name], ".", color=shade, alpha=0.5)
    ax.plot(chosen[name], means.min(), "o", color=shade, markerfacecolor="none", markersize=14)
low = min(np.mean(losses, axis=1).min() for losses in searched.values())
ax.set(xscale="log", xlabel="learning rate", ylabel="validation loss after four epochs")
ax.set(ylim=(low - 0.04, low + 0.2))
ax.set_title("Each optimizer has a best rate of its own (circles)")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# Also look at how wide each curve is. If an optimizer does well over a wide range of rates, you need less search.

# %%
accuracy = {name: [] for name in racing}
plan = [(name, seed) for name in racing for seed in lesson.seeds(5)]
for name, seed in progress_bar(plan, "the race, every seed", unit="training"):
    accuracy[name].append(trained(name, chosen[name], seed, x_test, y_test)[1])

# %% tags=["figure"] alt="A row of five dots for each optimizer, the test accuracy from five seeds at its own best rate. Most rows overlap."
ax = plotting.seed_dots(accuracy)
ax.set_yticks(range(len(racing)), [f"{name}, η = {chosen[name]:.2g}" for name in racing])
ax.set(xlabel="test accuracy after four epochs (a dot for each seed; the line is their mean)")
ax.set_title("At their own best rates most optimizers overlap")
lesson.save_figure(ax.figure, "race")
plt.show()

# %%
lead = {name: np.subtract(values, accuracy["SGD"]) for name, values in accuracy.items()}
pd.DataFrame(
    {
        "rate": chosen,
        "test accuracy, mean": {name: np.mean(values) for name, values in accuracy.items()},
        "ahead of SGD (points)": {name: 100 * values.mean() for name, values in lead.items()},
        "worst seed": {name: 100 * values.min() for name, values in lead.items()},
        "best seed": {name: 100 * values.max() for name, values in lead.items()},
    }
).loc[racing].round(4)

# %% [markdown]
# The last two columns show the lead over SGD at its worst and at its best seed. Where one is negative and the other positive, five seeds do not
# even show which of the two is better. Where both have the same sign, the seeds agree, for this net and four epochs. Most of the other optimizers'
# rows of dots overlap, so we print no ranking. A ranking from one seed would be mostly luck. Where one row lies apart from another, the seeds
# agree; another net or a longer training may give another result.
#
# The search shows something clearer. SGD's best rate is far above Adam's. In a race at one shared rate, the rate would decide who wins.
#
# ## Weight decay: AdamW
#
# To keep weights small, one can add $\tfrac{\lambda}{2} w^2$ to the loss. This penalty adds $\lambda w$ to the gradient. For SGD this is the same
# as multiplying each weight by $1-\eta\lambda$ in every step. For Adam it is not the same. Adam divides the gradient, and with it $\lambda w$, by
# $\sqrt{\hat s}$. AdamW multiplies the weights instead.


# %%
def adamw(w, g, t, memory, rate, decay=0.004):
    return adam((1 - rate * decay) * w, g, t, memory, rate)


# %% tags=["nbval-check-output"]
in_keras_too = keras.optimizers.AdamW(0.1, weight_decay=0.004)
print("AdamW: the same steps:", bool(largest_difference(adamw, in_keras_too) < 1e-5))

# %% [markdown]
# We compare the two. All weights start at 1. Their gradients are random numbers with mean zero, in three sizes. On average these gradients move no
# weight, so only the decay should act. We take 500 weights of each size and 2,000 steps.

# %%
sizes, rate, decay, steps = np.array([10, 1, 0.1]), 0.001, 0.1, 2000
rng = np.random.default_rng(lesson.seed)
with_penalty, decoupled = np.ones((500, 3)), np.ones((500, 3))
memory, other = {}, {}
for t in range(1, steps + 1):
    noise = sizes * rng.normal(size=(500, 3))
    with_penalty = adam(with_penalty, noise + decay * with_penalty, t, memory, rate)
    decoupled = adamw(decoupled, noise, t, other, rate, decay)

# %%
columns = {"Adam, penalty in the loss": with_penalty.mean(axis=0), "AdamW": decoupled.mean(axis=0)}
index = pd.Index(sizes, name="size of the gradients")
print("what the decay alone should leave:", round((1 - rate * decay) ** steps, 3))
pd.DataFrame(columns, index=index).round(3)

# %% [markdown]
# With the penalty in the loss, weights with large gradients hardly shrink, and weights with small gradients shrink most. AdamW does not divide the
# decay, and all weights shrink alike.
#
# ## Clipping: when one step is too long
#
# Some losses have walls: they are nearly flat, and one step further very steep. There the gradient is suddenly thousands of times as long, and a
# single step moves the weights far away. Recurrent nets are known for this (Pascanu and others, 2012). Our recurrent net reads an image row by row,
# and multiplies by the same weights at each of the 28 rows. If each multiplication makes the signal larger by a tenth, it grows to
# $1.1^{28} \approx 14$ times its size; if larger by a half, to $1.5^{28} \approx 85{,}000$ times.
#
# *Clipping* shortens a gradient that is too long. In Keras it is an argument of the optimizer.


# %%
def row_reader(rate, **clip):
    layers = keras.layers
    recurrent = layers.SimpleRNN(64, activation="relu")
    net = keras.Sequential([keras.Input((28, 28)), recurrent, layers.Dense(10, activation="softmax")])
    net.compile(keras.optimizers.SGD(rate, **clip), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


# %% [markdown]
# We write the training loop by hand here, to see the loss and the length of the whole gradient at every step.


# %%
def watched(net, seed, steps):
    """Train, and note at every step the loss and the length of the gradient before clipping."""
    loss_of = keras.losses.SparseCategoricalCrossentropy()

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            loss = loss_of(labels, net(images, training=True))
        gradients = tape.gradient(loss, net.trainable_variables)
        net.optimizer.apply_gradients(zip(gradients, net.trainable_variables))
        return loss, tf.linalg.global_norm(gradients)

    rng = np.random.default_rng(seed)
    batches = rng.integers(0, len(x_train), (steps, 64))
    return np.array([step(x_train[batch], y_train[batch]) for batch in batches])


# %%
rate, ways = 0.3, {"unclipped": {}, "clipped": {"global_clipnorm": 1.0}}
watched_runs = {way: [] for way in ways}
for way, clip in ways.items():
    for seed in lesson.seeds(1 if lesson.quick else 3):
        lesson.set_seed(seed)
        watched_runs[way].append(watched(row_reader(rate, **clip), seed, 32 if lesson.quick else 200))

# %% tags=["figure"] alt="Two panels over the steps of training, the loss and the length of the gradient, for three seeds each. Without clipping the length jumps by several powers of ten, and all three lines end after a few more steps. With clipping the loss falls, although some gradients are long."
fig, panels = plt.subplots(1, 2, figsize=(10.5, 4), sharex=True)
for way, found in watched_runs.items():
    for i, run in enumerate(found):
        for ax, values in zip(panels, run.T):
            ax.plot(
                values,
                color=plotting.colour(way, ax),
                linewidth=1.2,
                alpha=0.8,
                label=way if i == 0 else None,
            )
panels[0].set(
    xlabel="step",
    ylabel="loss of the batch",
    ylim=(0, 5),
    title="Clipped nets learn, unclipped ones are destroyed",
)
panels[1].set(
    xlabel="step",
    ylabel="length of the gradient, before clipping",
    yscale="log",
    title="Unclipped, long gradients bring longer ones",
)
panels[0].legend()
plt.show()

# %% [markdown]
# At first the gradients are about as long as 1. Without clipping, one long gradient moves the weights to a place where the next gradient is much
# longer. After a few such steps the weights are no longer finite numbers, and the lines end. With clipping there are long gradients too, but they
# do little harm: the net learns, at the same rate. Would a lower rate have been as good? We train for two epochs at three rates, unclipped and in
# the three ways that Keras has. The chapter uses `clipvalue=1.0` and `clipnorm=1.0`.

# %%
ways = {
    "unclipped": {},
    "clipvalue=1.0": {"clipvalue": 1.0},
    "clipnorm=1.0": {"clipnorm": 1.0},
    "global_clipnorm=1.0": {"global_clipnorm": 1.0},
}
clip_rates = [0.03] if lesson.quick else [0.03, 0.1, 0.3]
plan = [(way, rate) for way in ways for rate in clip_rates][: 1 if lesson.quick else None]
reached = {way: [] for way, _ in plan}
for way, rate in progress_bar(plan, "reading rows, three seeds each", unit="setting"):
    found = []
    for seed in lesson.seeds(1 if lesson.quick else 3):
        lesson.set_seed(seed)
        net = row_reader(rate, **ways[way])
        check = {"validation_data": (x_valid, y_valid), "validation_batch_size": 250}
        history = fit(net, x_train, y_train, batch_size=64, epochs=2, **check, verbose=0).history
        found.append(history["val_accuracy"][-1])
    reached[way].append(found)

# %% tags=["figure"] alt="Validation accuracy after two epochs against the learning rate, a dot for each seed and a line through the means, unclipped and clipped in three ways. Unclipped, the accuracy falls to chance at the higher rates; clipped, it does not."
fig, ax = plt.subplots()
for way, found in reached.items():
    shade = plotting.colour(way, ax)
    ax.plot(clip_rates, np.mean(found, axis=1), color=shade, marker=plotting.marker(way, ax), label=way)
    ax.plot(clip_rates, found, ".", color=shade)
ax.axhline(0.1, color="black", linestyle=":", linewidth=1)
ax.annotate("chance", (clip_rates[0], 0.11))
ax.set(xscale="log", xlabel="learning rate", ylabel="validation accuracy after two epochs", ylim=(0, 0.9))
ax.set_xticks(clip_rates, clip_rates)
ax.minorticks_off()
ax.set_title("Clipping allows rates that destroy the unclipped net")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# Clipping does not replace the search for a rate. It widens the range of good rates, and makes a rare long gradient harmless.
#
# ## By value or by norm?
#
# `clipvalue` limits each component separately. `clipnorm` multiplies all components of a variable by one factor. Here is a gradient with two
# components, clipped by Keras' own optimizers at a rate of 1:


# %%
def clipped(gradients, **clip):
    """The gradients, a list of arrays, after clipping by Keras."""
    weights = [tf.Variable(tf.zeros(np.shape(gradient))) for gradient in gradients]
    given = [tf.constant(gradient, "float32") for gradient in gradients]
    keras.optimizers.SGD(1.0, **clip).apply_gradients(zip(given, weights))
    return [-weight.numpy() for weight in weights]


def angle(one, other):
    """Between two lists of arrays, each taken as one long vector, in degrees."""
    one, other = (np.concatenate([np.float64(a).ravel() for a in many]) for many in (one, other))
    return np.degrees(np.arccos(min(1, one @ other / np.linalg.norm(one) / np.linalg.norm(other))))


# %% tags=["nbval-check-output"]
gradient = [np.array([0.9, 100.0])]
for clip in ({"clipvalue": 1.0}, {"clipnorm": 1.0}):
    (x, y), turn = clipped(gradient, **clip)[0], angle(gradient, clipped(gradient, **clip))
    print(f"{clip}: (0.9, 100) becomes ({x:.4f}, {y:.4f}), turned by {turn:.0f} degrees")

# %%
directions = np.radians([8, 25, 45, 65, 82])
around = 2.2 * np.stack([np.cos(directions), np.sin(directions)], axis=1)
arrows = {
    name: [clipped([one], **clip)[0] for one in around]
    for name, clip in [("clipvalue=1.0", {"clipvalue": 1.0}), ("clipnorm=1.0", {"clipnorm": 1.0})]
}

# %% tags=["figure"] alt="Two panels with five arrows each, before and after clipping. With clipvalue, limited by a square, arrows near an axis are turned towards the diagonal. With clipnorm, limited by a circle, every arrow is shortened and keeps its direction."
fig, panels = plt.subplots(1, 2, figsize=(8.6, 4.4), sharex=True, sharey=True)
for ax, (name, after) in zip(panels, arrows.items()):
    square = plt.Rectangle((0, 0), 1, 1, fill=False, linestyle="--")
    ax.add_patch(square if "value" in name else plt.Circle((0, 0), 1, fill=False, linestyle="--"))
    for one, other in zip(around, after):
        ax.annotate("", one, (0, 0), arrowprops={"arrowstyle": "->", "color": "silver", "lw": 1.5})
        ax.annotate("", other, (0, 0), arrowprops={"arrowstyle": "->", "color": plotting.OTHERS[2], "lw": 2})
        ax.plot(*zip(one, other), ":", color="grey", linewidth=1)
    ax.set(aspect="equal", xlim=(0, 2.3), ylim=(0, 2.3), xlabel="first component")
panels[0].set(ylabel="second component", title="clipvalue turns the gradient")
panels[1].set_title("clipnorm only shortens it")
plt.show()

# %% [markdown]
# In two dimensions `clipvalue` turns a gradient by less than 45°. In $n$ dimensions the angle can be larger. Suppose that one of $n$ components is
# very long and all others are just at the limit. After clipping all are equal, and the angle is nearly $\arccos(1/\sqrt n)$. For $n = 100$ this is
# $84°$.
#
# ## Whose norm?
#
# `clipnorm=1.0` keeps the direction of *each variable's* gradient. But a net has many variables, and each is clipped separately: a long gradient in
# one layer is shortened, a short one in another layer is not. So the gradient of the whole net changes its direction. `global_clipnorm` takes one
# norm over all variables. We look at the gradient of our recurrent net for one batch. Before, we multiply its recurrent weights by `1.4`, as a bad
# step might do:

# %%
lesson.set_seed()
net = row_reader(0.01)
weights = net.get_weights()
weights[1] *= 1.4
net.set_weights(weights)
with tf.GradientTape() as tape:
    loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y_train[:64], net(x_train[:64])))
gradients = [gradient.numpy() for gradient in tape.gradient(loss, net.trainable_variables)]
ways = {"as it is": {}, "clipvalue=1.0": {"clipvalue": 1.0}, "clipnorm=1.0": {"clipnorm": 1.0}}
ways["global_clipnorm=1.0"] = {"global_clipnorm": 1.0}
results = {name: clipped(gradients, **clip) for name, clip in ways.items()}
index = ["input weights", "recurrent weights", "recurrent biases", "output weights", "output biases"]
table = {name: [float(np.linalg.norm(one)) for one in found] for name, found in results.items()}
table = pd.DataFrame(table, index=index)
table.loc["turned by (degrees)"] = [angle(gradients, found) for found in results.values()]
table.round(2)

# %% [markdown]
# The rows are lengths; the last row is an angle. `clipvalue` does nothing where no single component is above the limit, even if the whole gradient
# is very long. With `clipnorm` all variables whose gradients were longer than 1 get the same length. Only `global_clipnorm` keeps the ratios of the
# lengths, and the direction. Papers that say “gradient clipping” mostly mean this form.
#
# ## What to take away
#
# - Each of these optimizers is gradient descent with a memory: of a velocity, of the size of each weight's gradients, or of both.
# - Dividing weight by weight helps where the valleys of the loss run along the axes. In other valleys much of this is lost.
# - Compare optimizers each at its own best rate, from several seeds. Choose the rate on other images than those of the comparison.
# - With Adam, apply weight decay outside the gradient, as AdamW does.
# - `clipvalue` turns the gradient of a variable. `clipnorm` does not, but it turns the gradient of the whole net. `global_clipnorm` turns neither.
#
# **Today** AdamW is the usual first choice. SGD with momentum and a good [schedule](08_learning_rate_schedules.ipynb) is still used for
# convolutional nets. Large language models are trained with a limit on the global norm, often 1.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold our answer.
#
# **1.** The gradient stays the same for many steps. How long do the steps of momentum become, with $\beta=0.9$? What does that say about a race in
# which SGD and momentum have the same rate?
#
# <details><summary>An answer</summary>
#
# They grow until $v = \beta v - \eta g$, which means $v = -\eta g/(1-\beta)$: ten times the step of SGD. So at a shared rate, the steps of momentum
# are up to ten times as long where the gradient stays the same, and the race compares rates. Compare the rates that the search chose for the two.
#
# </details>
#
# **2.** Adagrad does well in the straight ravine. What would you expect of it in a training of a million steps? What does RMSprop do differently,
# and what is the disadvantage?
#
# <details><summary>An answer</summary>
#
# Adagrad's $s$ only grows. If the gradients keep their size, the length of its steps falls like one over the square root of the number of steps. So
# it may nearly stop long before the minimum. RMSprop forgets old gradients, so its steps keep their length. But then they do not become short near
# the minimum either. RMSprop needs a [schedule](08_learning_rate_schedules.ipynb) that makes them short.
#
# </details>
#
# **3.** You train with Adam and set `global_clipnorm` to a hundredth of the gradient's usual length. At every step the gradient is longer than this
# limit. Do the steps become a hundred times shorter?
#
# <details><summary>An answer</summary>
#
# No, they keep about their length. Adam divides an average of the gradients by the square root of an average of their squares. A factor that all
# gradients share cancels, except for the small ε. But one thing changes: all gradients now have the same length, so a step with a long gradient
# counts no more than one with a short gradient. With SGD the steps would be about a hundred times shorter.
#
# </details>
#
# **4.** A paper tries twenty learning rates for its new optimizer. It compares the best with Adam at its default rate, `0.001`, and Adam loses.
# What do you conclude?
#
# <details><summary>An answer</summary>
#
# Nothing about the optimizers. One of them had twenty attempts and the other had one, and Adam's best rate for this task may be far from the
# default. Give both the same search, each over rates of its own, on validation images. Then compare on other images, from several seeds.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each exercise has a cell to fill in. The check below it tries your code on inputs of its own and answers in a sentence. The solutions are in
# [a separate notebook](solutions/07_optimizers_and_clipping.ipynb). Any code that does what the card asks passes.

# %% tags=["given"]
from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · The largest stable rate
#
# *15 minutes.* **What.** Take one linear unit without a bias, the mean squared error as its loss, and all examples in every step. Above a certain
# learning rate gradient descent diverges: the loss grows from step to step. Write `stable_rate`, which computes this rate from the inputs `x`. Each
# row of `x` is one example.
#
# **Why.** The steepest direction limits the rate for all other directions. The lesson's ravine is the loss of such a unit, for the inputs
# `np.diag([0.1, 2**0.5])` and targets of zero; its limit is 1. The solution shows the limit for images.


# %% tags=["exercise"]
def stable_rate(x):
    """The rate above which gradient descent on the mean squared error diverges; x: (examples, inputs)."""
    ...


# %% tags=["solution"]
def stable_rate(x):
    """The rate above which gradient descent on the mean squared error diverges; x: (examples, inputs)."""
    curvatures = np.linalg.eigvalsh(2 / len(x) * x.T @ x)  # of the mean of squares, in each direction
    return 2 / curvatures.max()  # a step multiplies the error there by 1 - rate * curvature


# %% tags=["check"]
check("stable_rate")

# %% tags=["solution"]
fashion = lesson.data(load_fashion_mnist(validation=5_000))
pixels = fashion.x_train[:2000].reshape(-1, 784) / 255
trousers = np.float64(fashion.y_train[:2000] == 1)
centred, deviation = pixels - pixels.mean(axis=0), pixels.std(axis=0)
images = {
    "pixels from 0 to 1": pixels,
    "their mean subtracted": centred,
    "standardized": centred / np.where(deviation > 0, deviation, 1),
}


def loss_after(x, rate, steps=200):
    """Of one unit that learns to tell trousers from the rest, by gradient descent."""
    w = np.zeros(784)
    for _ in range(steps):
        w = w - rate * 2 / len(x) * x.T @ (x @ w - trousers)
    return np.mean((x @ w - trousers) ** 2)


# %% tags=["solution"]
rows = {
    name: [stable_rate(x), *(loss_after(x, share * stable_rate(x)) for share in (0.98, 1.02))]
    for name, x in images.items()
}
columns = ["the limit", "loss at 0.98 of it", "loss at 1.02 of it"]
pd.DataFrame.from_dict(rows, orient="index", columns=columns).round(4)

# %% [markdown] tags=["solution"]
# The unit learns to tell trousers from other clothes. Just below the limit it learns, just above it diverges. Subtracting the mean image allows a
# rate several times higher: the mean image, which all images share, was the steepest direction. Standardizing lowers the limit again, because now
# pixels that hardly vary count as much as the others. So a rate says little without the inputs for which it was found.

# %% [markdown] tags=["exercise"]
# ### 2 · Adam with weight decay
#
# *20 minutes.* **What.** Write `adam_step`, one step of AdamW, without looking at the lesson. It gets the weights, the memories `m` and `s`, the
# gradient `g` and the number `t` of the step, counted from 1. It returns the new `w, m, s`. `decay` is $\lambda$: the old weights are multiplied by
# $1-\eta\lambda$, and the decay does not enter `m` and `s`. A small ε in the denominator, such as `1e-7`, keeps a gradient of zero harmless.
#
# **Why.** Most large nets are trained with this optimizer today. The solution shows the purpose of the corrections of $m$ and $s$.


# %% tags=["exercise"]
def adam_step(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999, decay=0.0):
    """The weights and both memories after step t (1, 2, ...); w, m, s, g: arrays of one shape."""
    ...


# %% tags=["solution"]
def adam_step(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999, decay=0.0):
    """The weights and both memories after step t (1, 2, ...); w, m, s, g: arrays of one shape."""
    m = beta_1 * m + (1 - beta_1) * g
    s = beta_2 * s + (1 - beta_2) * g**2
    m_hat, s_hat = m / (1 - beta_1**t), s / (1 - beta_2**t)
    w = (1 - rate * decay) * w - rate * m_hat / (np.sqrt(s_hat) + 1e-7)
    return w, m, s  # the memories are kept as they are, uncorrected


# %% tags=["check"]
check("adam_step")

# %% tags=["solution"]
curvature = np.array([0.01, 2.0])  # the lesson's ravine


def first_steps(t_of, steps=5):
    """Adam's steps along the valley; t_of says which t to correct with."""
    w, m, s = np.array([-9.0, 1.6]), np.zeros(2), np.zeros(2)
    path = [w]
    for t in range(1, steps + 1):
        w, m, s = adam_step(w, m, s, curvature * w, t_of(t), rate=1.0)
        path.append(w)
    return np.diff(np.array(path)[:, 0])


# %% tags=["solution"]
# So late a step that 1 - beta**t is 1: nothing is corrected.
lengths = {"with the correction": first_steps(lambda t: t), "without": first_steps(lambda t: 10**6)}
pd.DataFrame(lengths, index=[f"step {t}" for t in range(1, 6)]).round(2)

# %% tags=["solution"]
for t in (1, 10, 100, 1000, 10_000):
    factor = (1 - 0.9**t) / np.sqrt(1 - 0.999**t)
    print(f"step {t:6}: without the correction longer by a factor of {factor:.2f}")

# %% [markdown] tags=["solution"]
# Without the correction the first steps are several times as long as the rate says. The factor grows for some steps before it falls: `m` has its
# right size after some ten steps, and `s` only after some thousand. (The second output is for the same gradients with and without the correction.)
# So the correction keeps the first steps short.

# %% [markdown] tags=["exercise"]
# ### 3 · Clipping as one
#
# *15 minutes.* **What.** Write `clip_together`. It gets a list of gradients, an array for each variable, and a limit. Compute the length of all
# gradients together, the root of the sum of *all* squares. If it is above the limit, multiply all gradients by one factor, so that the length
# becomes the limit. Otherwise do not change them. Return a list of arrays with the same shapes.
#
# **Why.** This is what `global_clipnorm` does, and what most papers mean by gradient clipping. Only this form keeps the direction of the step.


# %% tags=["exercise"]
def clip_together(gradients, limit):
    """The gradients, a list of arrays, shortened by one factor to a common length of `limit` at most."""
    ...


# %% tags=["solution"]
def clip_together(gradients, limit):
    """The gradients, a list of arrays, shortened by one factor to a common length of `limit` at most."""
    length = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
    factor = limit / max(length, limit)  # never above one, and no division by zero
    return [factor * gradient for gradient in gradients]


# %% tags=["check"]
check("clip_together")

# %% tags=["solution"]
rng = np.random.default_rng(42)
gradients = [size * rng.normal(size=shape) for size, shape in [(3, (20, 30)), (0.1, 30), (0.5, (30, 10))]]
ways = {
    "each component": lambda limit: [np.clip(gradient, -limit, limit) for gradient in gradients],
    "each variable": lambda limit: [clip_together([gradient], limit)[0] for gradient in gradients],
    "all together": lambda limit: clip_together(gradients, limit),
}


def turned_by(clipped):
    """The angle between the whole gradient and the clipped one, in degrees."""
    one, other = (np.concatenate([array.ravel() for array in many]) for many in (gradients, clipped))
    return np.degrees(np.arccos(min(1, one @ other / np.linalg.norm(one) / np.linalg.norm(other))))


# %% tags=["solution"]
limits = [100, 10, 1, 0.1, 0.01]
angles = {way: [turned_by(clip(limit)) for limit in limits] for way, clip in ways.items()}
pd.DataFrame(angles, index=pd.Index(limits, name="limit")).round(1)

# %% [markdown] tags=["solution"]
# The table is for three random gradients, of which the first is the longest. It shows the angle in degrees by which clipping turns all of them
# together. Clipped together, they keep their direction at any limit. Clipped variable by variable, at a small limit all three get the same length,
# so a still smaller limit turns them no further. Clipped component by component, at a small limit nearly all components get the same size.

# %% [markdown] tags=["exercise"]
# ### 4 · Predict, run, explain
#
# *10 minutes.* **What.** Somebody changes the loss from the mean over a batch of 64 to the sum, and forgets to change the rate. Every gradient is
# now 64 times as long. We do the same in the straight ravine, with each optimizer at the rate that the lesson found. **Which of the eight diverge,
# and which hardly change?** Write down your answer before you run the cell.
#
# **Why.** If you change a loss or a batch size, you should know which optimizers need a new rate.


# %% tags=["predict"]
def scaled(step, factor):
    """The optimizer's step, for gradients that are longer by a factor."""
    return lambda w, g, t, memory, rate: step(w, factor * g, t, memory, rate)


losses = {}
for name, step in by_hand.items():
    rate = best_walk(step)[0]
    with np.errstate(all="ignore"):
        both = [walk(scaled(step, factor), rate)[1][-1] for factor in (1, 64)]
    losses[name] = [f"{np.median(loss):.2g}" for loss in both]
pd.DataFrame.from_dict(losses, orient="index", columns=["loss, mean", "loss, sum"])

# %% [markdown] tags=["exercise"]
# <details><summary>What happened, and why</summary>
#
# The steps of SGD, momentum and Nesterov are proportional to the gradient, so they need a rate 64 times smaller. The others divide by the size of
# past gradients. This size has grown by the same factor, so their steps stay as they were. Only two small numbers do not grow with the gradients:
# ε, and the $0.1$ with which Adagrad's sum starts. In the ravine this $0.1$ keeps Adagrad's steps along the floor short. With longer gradients it
# matters less, and Adagrad comes even closer to the minimum. (The losses in the table are those of the unchanged ravine.)
#
# </details>

# %% [markdown]
# ## References
#
# - B. T. Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964 (momentum). Y. Nesterov, *A method for solving the convex programming problem with convergence rate O(1/k²)*, 1983.
# - J. Duchi, E. Hazan, Y. Singer, *Adaptive Subgradient Methods*, 2011, [JMLR 12](https://jmlr.org/papers/v12/duchi11a.html) (Adagrad).
# - G. Hinton, *Neural Networks for Machine Learning*, [lecture 6](https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf), 2012 (RMSprop).
# - D. P. Kingma, J. Ba, *Adam: A Method for Stochastic Optimization*, 2014, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980): Adam and Adamax. T. Dozat, *Incorporating Nesterov Momentum into Adam*, 2016 (Nadam).
# - I. Loshchilov, F. Hutter, *Decoupled Weight Decay Regularization*, 2017, [arXiv:1711.05101](https://arxiv.org/abs/1711.05101) (AdamW).
# - R. Pascanu, T. Mikolov, Y. Bengio, *On the difficulty of training recurrent neural networks*, 2012, [arXiv:1211.5063](https://arxiv.org/abs/1211.5063) (clipping).
# - D. Choi and others, *On Empirical Comparisons of Optimizers for Deep Learning*, 2019, [arXiv:1910.05446](https://arxiv.org/abs/1910.05446): how the
#   tuning decides the race.
