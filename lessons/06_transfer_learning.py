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
# # 06 · Transfer learning
#
# You have a question about images, and two hundred labelled images. Somebody else has trained a net on forty thousand images, for another question. You
# can take the layers of that net and put a new output on top of them: this is **transfer learning**. In a famous example it makes the error rate almost
# four times smaller. We repeat the example. Then we ask how often it comes out like this: with other images, other classes, more training, and another
# kind of net.
#
# - **You will learn:** to reuse the layers of a trained net without changing that net; to freeze layers, and why you compile again afterwards; to judge
#   a claim by repeating it on other data and other tasks.
# - **You need:** a dense net in Keras; [lesson 01](01_initialization_and_activations.ipynb) for SELU.
# - **Reproduces:** *Training Deep Neural Networks*, part C: reusing pretrained layers (chapter 11 of A. Géron's *Hands-On Machine Learning*, notebook
#   of the second edition, 2020). Yosinski and others studied the idea in 2014: [*How transferable are features in deep neural
#   networks?*](https://arxiv.org/abs/1411.1792)
# - **Time:** about 25 minutes to read, the exercises apart; a run takes as long as the line below says, in quick mode under a minute.

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("06_transfer_learning")

# %% tags=["needed"]
import tempfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from matplotlib.ticker import NullLocator, PercentFormatter

from course_utils import plotting
from course_utils.data import load_fashion_mnist
from course_utils.training import fit, progress_bar

# %% [markdown]
# ## Two tasks from one data set
#
# Fashion-MNIST has ten classes. The source makes two tasks of them. **Task A** gets eight classes, all but sandals (5) and shirts (6); its labels above
# 6 become smaller by two. **Task B** gets the other two classes. Its question is: is it a shirt? Of its training images the source keeps the first two
# hundred. Validation and test images are divided in the same way, and all of them are kept.

# %% tags=["needed"]
fashion = lesson.data(load_fashion_mnist(validation=5_000))
SANDAL_OR_SHIRT = (5, 6)  # task B; its second class counts as "yes"


def tasks(pair):
    """The images and labels of task A (all other classes) and of task B (the pair), split by split."""
    others = [c for c in range(10) if c not in pair]
    a, b = {}, {}
    for split in ("train", "valid", "test"):
        x = getattr(fashion, f"x_{split}") / np.float32(255)
        y = getattr(fashion, f"y_{split}")
        in_b = np.isin(y, pair)
        a[split] = x[~in_b], np.searchsorted(others, y[~in_b]).astype("int32")
        b[split] = x[in_b], (y[in_b] == pair[1]).astype("float32")
    return a, b


a, b = tasks(SANDAL_OR_SHIRT)
first_200 = tuple(array[:200] for array in b["train"])

# %%
sizes = {
    f"task {name}": {split: len(task[split][0]) for split in task} for name, task in [("A", a), ("B", b)]
}
pd.DataFrame(sizes).T.assign(used=[len(a["train"][0]), len(first_200[0])])

# %% tags=["figure"] alt="Ten rows of small pictures of clothing, a class a row. Eight rows are marked A, the rows of sandals and shirts are marked B."
fig, ax = plt.subplots(figsize=(7.6, 5.4))
task_of = ["B" if c in SANDAL_OR_SHIRT else "A" for c in range(10)]
named = [f"{name}   {task}" for name, task in zip(fashion.class_names, task_of)]
plotting.image_grid(fashion.x_train, fashion.y_train, named, per_class=10, ax=ax)
for tick, task in zip(ax.get_yticklabels(), task_of):
    tick.set(fontweight="bold" if task == "B" else "normal")
ax.set_title("Task B is two of the ten classes, task A the others")
plt.show()

# %% [markdown]
# ## Model A, and B alone
#
# Both models have five hidden layers of 300, 100, 50, 50 and 50 SELU units. Their first weights are Keras' default, drawn from Glorot's distribution.
# (Lesson 01 recommends LeCun's for SELU. The source keeps the default here, and so do we.) Model A ends in a softmax over eight classes, model B in one
# sigmoid unit. Both are trained by plain gradient descent at a rate of `0.001`, for twenty epochs.


# %% tags=["needed"]
def dense_net(outputs):
    last = layers.Dense(1, "sigmoid") if outputs == 1 else layers.Dense(outputs, "softmax")
    hidden = [layers.Dense(units, "selu") for units in (300, 100, 50, 50, 50)]
    return keras.Sequential([keras.Input((28, 28)), layers.Flatten(), *hidden, last])


def compiled(net):
    loss = "binary_crossentropy" if net.output_shape[-1] == 1 else "sparse_categorical_crossentropy"
    net.compile(keras.optimizers.SGD(0.001), loss, metrics=["accuracy"])
    return net


def test_accuracy(net, task):
    return net.evaluate(*task["test"], batch_size=500, verbose=0)[1]


# %%
def train_a(seed):
    lesson.set_seed(seed)
    net = compiled(dense_net(8))
    fit(net, *a["train"], epochs=20, label=f"model A, seed {seed}")
    return net


def train_b_alone(seed):
    lesson.set_seed(seed)
    net = compiled(dense_net(1))
    fit(net, *first_200, epochs=20, verbose=0)
    return net


# %%
model_a, model_b = train_a(lesson.seed), train_b_alone(lesson.seed)
alone = test_accuracy(model_b, b)
print(f"model A, eight classes:   test accuracy {test_accuracy(model_a, a):.4f}")
print(f"model B alone:            test accuracy {alone:.4f}")

file = Path(tempfile.mkdtemp()) / "model_a.keras"
model_a.save(file)

# %% [markdown]
# What has a first layer learned? Each of its 300 units has 784 weights, one for each pixel. So the weights of a unit can be drawn as an image. With the
# same seed we build the net once more and get its first weights again. The difference is what training has changed.

# %%
learned = {}
for name, net, outputs in [("model A", model_a, 8), ("B alone", model_b, 1)]:
    lesson.set_seed()
    start = dense_net(outputs).get_weights()[0]
    learned[name] = net.get_weights()[0] - start
deviations = {name: {"start": start.std(), "change": change.std()} for name, change in learned.items()}
pd.DataFrame(deviations).T.rename_axis("standard deviation of the first layer's weights").round(4)

# %% tags=["figure"] alt="Two rows of twelve square images: what training has changed in the weights of a first-layer unit. Blurred shapes of shirts, shoes and trousers can be seen."
fig, panels = plt.subplots(2, 12, figsize=(11, 2.6))
for row, (name, change) in zip(panels, learned.items()):
    strongest = np.argsort(-np.linalg.norm(change, axis=0))[:12]
    for ax, unit in zip(row, strongest):
        limit = np.abs(change[:, strongest]).max()
        ax.imshow(change[:, unit].reshape(28, 28), cmap="PuOr", vmin=-limit, vmax=limit)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
fig.suptitle("What training changed in twelve first-layer units (each row has its own scale)")
plt.show()

# %% [markdown]
# The images show the twelve units of each net that have changed most. The changes look like blurred pieces of clothing: a unit of a dense layer
# responds to shapes at a fixed place. Model B made only $20 \cdot 7 = 140$ steps, and its weights have hardly moved: compare the standard deviations.
# Model A has learned much more. Can B use it?
#
# ## Share, clone, freeze
#
# To build B on A, take all layers of A but the last, and add a new sigmoid unit. There are two ways to take them.
#
# - **Share.** A net that is built from `model_a.layers[:-1]` contains the same layers, not copies. If you train one net, the other changes too.
# - **Clone.** `clone_model` makes new layers of the same form, with new random weights. So the weights have to be copied as well.
#
# In both cases the reused layers can be **frozen** at first: training leaves their weights as they are. The usual reason is this: the new output starts
# from random weights, so its first errors are large, and their gradients would spoil what the layers below have learned.


# %% tags=["figure"] alt="Three drawings of nets as columns of boxes. Share: one column of hidden layers carries the outputs of both A and B. Clone and copy: two separate columns of the same colour. Freeze: the second column is hatched, and only its output is trained."
def boxes(ax, x, rows, fill, hatch=""):
    for row in rows:
        text = ["300", "100", "50", "50", "50", "output"][row]
        ax.add_patch(plt.Rectangle((x, row), 1, 0.75, facecolor=fill, edgecolor="black", hatch=hatch))
        ax.text(x + 0.5, row + 0.37, text, ha="center", va="center", bbox=dict(fc=fill, ec="none", pad=1))


fig, panels = plt.subplots(1, 3, figsize=(10.5, 4.2))
boxes(panels[0], 0.7, range(5), "lightblue")
boxes(panels[0], 0, [5], "lightblue")
boxes(panels[0], 1.4, [5], "moccasin")
for ax, hatch in zip(panels[1:], ("", "///")):
    boxes(ax, 0, range(6), "lightblue")
    boxes(ax, 1.4, range(5), "lightblue", hatch)
    boxes(ax, 1.4, [5], "moccasin")
titles = ("Share: one stack, two outputs", "Clone, and copy the weights", "Freeze (hatched): only B learns")
for ax, heading in zip(panels, titles):
    ax.set(title=heading, xlim=(-0.1, 2.5), ylim=(-0.3, 6.4))
    ax.text(0.5, 6, "A", ha="center")
    ax.text(1.9, 6, "B on A", ha="center")
    ax.axis("off")
plt.show()

# %% tags=["nbval-check-output"]
sharing = keras.Sequential([keras.Input((28, 28)), *model_a.layers[:-1], layers.Dense(1, "sigmoid")])
print("the same layer in both nets:", sharing.layers[1] is model_a.layers[1])

clone = keras.models.clone_model(model_a)
same = [np.array_equal(u, v) for u, v in zip(clone.get_weights(), model_a.get_weights())]
print("a clone has the weights of its original:", all(same))

clone.set_weights(model_a.get_weights())
same = [np.array_equal(u, v) for u, v in zip(clone.get_weights(), model_a.get_weights())]
print("after copying them:", all(same))

# %% [markdown]
# **`trainable`, then `compile`.** Keras asks each layer whether it is `trainable` when it builds the training step of a compiled net. So after every
# change of `trainable` you compile again: once after freezing, once after unfreezing. Nothing warns you if you forget; exercise 4 tries it.
#
# ## B on A
#
# Now the source's steps: freeze the reused layers for four epochs; unfreeze them, and train everything for sixteen. The source also wants to keep A. It
# loads A, clones it and copies the weights. But then it builds B on the layers of the *original*, and never uses the clone. **What has happened to A in
# the end?** We follow the source. We measure A before and after, and the clone.


# %%
def b_on_a(model_a, seed):
    """The source's steps. The layers of model_a are shared, not copied."""
    lesson.set_seed(seed)
    net = keras.Sequential([keras.Input((28, 28)), *model_a.layers[:-1], layers.Dense(1, "sigmoid")])
    accuracies = []
    for trainable, epochs in [(False, 4), (True, 16)]:
        for layer in net.layers[:-1]:
            layer.trainable = trainable
        compiled(net)  # after every change of trainable
        fit(net, *first_200, epochs=epochs, verbose=0)
        accuracies.append(test_accuracy(net, b))
    return accuracies  # after the frozen epochs, and at the end


# %%
loaded = keras.models.load_model(file)
clone = keras.models.clone_model(loaded)  # the source makes this clone, and never uses it
clone.set_weights(loaded.get_weights())
before = test_accuracy(loaded, a)
while_frozen, reused = b_on_a(loaded, lesson.seed)
after, of_clone = test_accuracy(loaded, a), test_accuracy(compiled(clone), a)

on_b = {"B alone": alone, "B on A, after the frozen epochs": while_frozen, "B on A, at the end": reused}
on_a = {"A as it was saved": before, "A after B was trained on its layers": after, "the clone": of_clone}
pd.concat({"task B": pd.Series(on_b), "task A": pd.Series(on_a)}).to_frame("test accuracy").round(4)

# %%
one_error = 1 / len(b["test"][1])  # the smallest error rate that can be counted
factor = (1 - alone) / max(1 - reused, one_error)
# %%
print(f"the error rate of B alone is {factor:.2f} times that of B on A")

# %% tags=["record"]
lesson.record("S5.cC1", test_accuracy=alone)
lesson.record("S5.cC2", test_accuracy=reused)
lesson.record("S5.cC3", factor=factor)

# %% [markdown]
# Model A has become worse at its own task: its output layer is the old one, but the layers below now serve B. The clone is as good at it as A was. So
# build B on the clone, and A does not change.
#
# In the source B alone reaches “0.9695” and B on A “0.9925”; it names a factor of almost 4, “3.93” (stored outputs of revision e7658ef). The two
# accuracies give $0.0305/0.0075 \approx 4.07$, so the factor was computed from another accuracy of B alone. Each of these numbers comes from one run.
# Here are five runs, each with a model A of its own.

# %%
chapter = [{"seed": lesson.seed, "B alone": 1 - alone, "B on A": 1 - reused, "A loses": before - after}]
for seed in [] if lesson.quick else lesson.seeds(5)[1:]:
    net = train_a(seed)
    was = test_accuracy(net, a)
    errors = {"B alone": 1 - test_accuracy(train_b_alone(seed), b), "B on A": 1 - b_on_a(net, seed)[-1]}
    chapter.append({"seed": seed, **errors, "A loses": was - test_accuracy(net, a)})
chapter = pd.DataFrame(chapter).set_index("seed")
chapter.assign(factor=chapter["B alone"] / chapter["B on A"].clip(lower=one_error)).round(4)

# %% tags=["figure"] alt="Two rows of dots, a dot for each seed, with the test error on the axis and the source's two numbers as dashed lines. The dots of B on A lie further to the left than those of B alone."
fig, ax = plt.subplots(figsize=(7.2, 2.4))
dots = {name: list(chapter[name]) for name in ("B alone", "B on A")}
stored = {"B alone": 1 - 0.9695, "B on A": 1 - 0.9925}
plotting.seed_dots(dots, printed=stored, printed_label="stored output of e7658ef", ax=ax)
ax.set(xlim=(0, None), xlabel="test error of task B")
ax.xaxis.set_major_formatter(PercentFormatter(1))
ax.legend(loc="lower right")
ax.set_title("The chapter's pair: a dot for each seed")
plt.show()

# %% [markdown]
# The factor depends on both error rates. With the same B on A, it is larger if B alone makes more errors. So compare the source's two lines with our
# dots, one by one.
#
# ## Other pairs, other images
#
# So far we used one pair of classes, and always the same two hundred images. In the book that belongs to the notebook, the author admits that he tried
# many configurations until one showed a strong improvement. So we repeat the comparison with the chapter's pair and seven others, chosen at random. For
# each pair we draw two hundred images four times, with new first weights. Each pair gets a model A of its own, trained for ten epochs on the eight
# other classes. Twenty epochs with two hundred images are only 140 steps. So we look a second time after sixty epochs, **sixty against sixty**.
#
# All trainings use two compiled nets, one with frozen layers and one without. We set the weights by `set_weights`. Plain gradient descent keeps nothing
# from earlier steps, so each training starts anew. **Before you run it: in how many of the draws will reuse help, after twenty epochs and after
# sixty?**

# %%
rng = np.random.default_rng(lesson.seed)
candidates = [(i, j) for i in range(10) for j in range(i + 1, 10) if (i, j) != SANDAL_OR_SHIRT]
others = [tuple(pair) for pair in rng.permutation(candidates)[: 1 if lesson.quick else 7].tolist()]
pairs = {
    f"{fashion.class_names[i]} or {fashion.class_names[j]}": (i, j) for i, j in [SANDAL_OR_SHIRT, *others]
}
chapters_pair, *other_pairs = pairs
n_draws = 1 if lesson.quick else 4


def two_nets(build):
    """The same net twice: all layers but the last frozen, and none frozen."""
    frozen, free = build(1), build(1)
    for layer in frozen.layers[:-1]:
        layer.trainable = False
    return compiled(frozen), compiled(free)


dense_nets = two_nets(dense_net)


# %%
def one_draw(nets, taught, b, number, ways):
    """Test errors with 200 images drawn anew, for each way of training, after 20 epochs and after 60."""
    frozen, free = nets
    rng = np.random.default_rng([lesson.seed, number])
    chosen = rng.permutation(len(b["train"][0]))[:200]
    few = [array[chosen] for array in b["train"]]
    start = keras.models.clone_model(free).get_weights()
    reused = [*taught[:-2], *start[-2:]]  # the layers of A, under the same new output layer
    plans = {
        "B alone": (start, [(free, 20)]),
        "B on A": (reused, [(frozen, 4), (free, 16)]),
        "never frozen": (reused, [(free, 20)]),
    }
    errors = []
    for way in ways:
        weights, plan = plans[way]
        for net, epochs in plan:
            net.set_weights(weights)
            fit(net, *few, epochs=epochs, verbose=0)
            weights = net.get_weights()
        after_20 = 1 - test_accuracy(free, b)
        fit(free, *few, epochs=40, verbose=0)
        errors += [(way, 20, after_20), (way, 60, 1 - test_accuracy(free, b))]
    return errors


# %%
def every_draw(build, nets, ways, label):
    """One row for each pair, draw and number of epochs; one column for each way of training."""
    lesson.set_seed()
    net_a = compiled(build(8))
    start, found = net_a.get_weights(), []
    for name, pair in progress_bar(list(pairs.items()), label, unit="pair"):
        a, b = tasks(pair)
        net_a.set_weights(start)
        fit(net_a, *a["train"], epochs=10, verbose=0)
        for number in range(n_draws):
            errors = one_draw(nets, net_a.get_weights(), b, number, ways)
            found += [(name, number, *error) for error in errors]
    found = pd.DataFrame(found, columns=["pair", "draw", "way", "epochs", "error"])
    return found.pivot(index=["epochs", "pair", "draw"], columns="way", values="error")


three_ways = ["B alone", "B on A", "never frozen"]
dense = every_draw(dense_net, dense_nets, three_ways, "dense nets, every pair and draw")


# %%
def ratios(errors):
    """How many times as many errors B alone makes; at least one error is counted on either side."""
    return errors["B alone"].clip(lower=one_error) / errors["B on A"].clip(lower=one_error)


def summary(errors):
    by_epochs = ratios(errors).groupby("epochs")
    table = pd.DataFrame(
        {"draws": by_epochs.size(), "reuse helps in": by_epochs.agg(lambda r: (r > 1).sum())}
    )
    table["errors cut fourfold in"] = by_epochs.agg(lambda r: (r >= 4).sum())
    table["median ratio of errors"] = by_epochs.median()
    table["mean error, B alone"] = errors["B alone"].groupby("epochs").mean()
    table["mean error, B on A"] = errors["B on A"].groupby("epochs").mean()
    return table.round(3)


summary(dense)


# %%
def draw_ratios(rows, errors_of, title):
    """For each pair the ratio of errors, a dot a draw, and its median; after 20 epochs and after 60."""
    fig, panels = plt.subplots(1, 2, figsize=(11.5, 1.2 + 0.5 * len(rows)), sharex=True, sharey=True)
    for ax, epochs in zip(panels, (20, 60)):
        for row, name in enumerate(rows):
            for shift, (kind, errors) in zip(
                (-0.16, 0.16) if len(errors_of) > 1 else (0,), errors_of.items()
            ):
                values = ratios(errors).loc[epochs, name]
                style = dict(color=plotting.colour(kind, ax), label=kind if row == 0 else None)
                ax.plot(values, [row + shift] * len(values), plotting.marker(kind, ax), alpha=0.6, **style)
                ax.plot([values.median()] * 2, [row + shift - 0.16, row + shift + 0.16], color=style["color"])
        ax.axvline(1, color="black", linewidth=1)
        ax.set(xscale="log", title=f"{epochs} epochs against {epochs}")
        ax.set_xlabel("errors of B alone ÷ errors of B on A (log scale)")
    limits = panels[0].get_xlim()
    panels[0].set_xticks([1 / 16, 1 / 4, 1 / 2, 1, 2, 4, 16], ["1/16", "1/4", "1/2", "1", "2", "4", "16"])
    panels[0].xaxis.set_minor_locator(NullLocator())
    panels[0].set(xlim=limits, yticks=range(len(rows)), yticklabels=rows, ylim=(len(rows) - 0.5, -0.5))
    if len(errors_of) > 1:
        fig.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    fig.suptitle(title, fontweight="bold")
    return fig


# %% tags=["figure", "cover"] alt="Two panels, after 20 epochs and after 60, with a row of four dots for each of eight pairs of classes. A dot to the right of the line at 1 is a draw in which reuse helped. Some rows lie to its right, some to its left."
draw_ratios(
    list(pairs),
    {"B on A": dense},
    "Whether reuse helps depends on pair and draw (a dot for each draw, a line at the median)",
)
plt.show()

# %% [markdown]
# Look at one row at a time. Where all its dots lie on the same side of 1, the pair of classes seems to decide whether reuse helps: have the eight other
# classes taught A what tells these two apart? Where the dots of a row lie on both sides, the draw decides: its two hundred images, and the first
# weights of its new layer. The table counts how often the errors are cut fourfold, as in the source.
#
# Is the gain only a faster start? Then it would vanish after sixty epochs, and all dots of the right panel would lie close to 1. They do not. B alone
# and B on A both make fewer errors after sixty epochs than after twenty (see the mean errors in the table), but the ratios stay away from 1.
#
# There are too few pairs here for an average over all pairs of classes. The verdicts below use the runs of several seeds, each with seven pairs of its
# own.

# %% tags=["record"]
at_60 = dense.loc[60].drop(index=chapters_pair, level="pair")
lesson.record("S5.qC4", reused=1 - at_60["B on A"].mean(), alone=1 - at_60["B alone"].mean())

# %% [markdown]
# ## Did freezing help?
#
# The draws can answer this too. The third way, *never frozen*, starts from the same weights and trains all layers from the first epoch on. Both ways
# get twenty epochs. If the first gradients of a new output layer do harm, freezing should win.

# %%
at_20 = dense.loc[20]
gain_of_freezing = 100 * (at_20["never frozen"] - at_20["B on A"])
by_pair = gain_of_freezing.groupby("pair").agg(["mean", "min", "max"]).loc[list(pairs)]
by_pair.rename(
    columns={"mean": "mean gain, percentage points", "min": "worst draw", "max": "best draw"}
).round(2)

# %% tags=["figure"] alt="A row of dots for each pair of classes, a dot for each draw: by how many percentage points freezing changes the test error. Most dots lie close to the line at zero."
fig, ax = plt.subplots(figsize=(7.2, 3.8))
plotting.seed_dots({name: list(gain_of_freezing[name]) for name in pairs}, ax=ax)
ax.axvline(0, color="black", linewidth=1)
ax.set(
    xlabel="gain in test accuracy by freezing, percentage points",
    title="Freezing first gains next to nothing",
)
plt.show()

# %% tags=["record"]
same_pairs = at_20.drop(index=chapters_pair, level="pair")
lesson.record(
    "S5.qC5",
    frozen_first=1 - same_pairs["B on A"].mean(),
    never_frozen=1 - same_pairs["never frozen"].mean(),
)

# %% [markdown]
# On average freezing gains nothing here: most dots lie at zero or below. So training everything at once does no harm at this small rate. And freezing
# has a cost. Four epochs are 28 steps, in which only the 51 weights of the new layer learn. The table under *B on A* shows how little the net has
# learned after them. The other layers then learn for sixteen epochs and not for twenty.
#
# ## A lower rate for fine-tuning
#
# To train reused layers further is called **fine-tuning**. The usual advice is a lower rate, so that the layers keep what they know. The source does
# not lower its rate. We repeat the sixteen unfrozen epochs at three rates, from the same weights. We also train B alone at these rates. And how much do
# the layers still know about task A? To see this, we put A's own output layer back on top of them (in the clone).

# %%
frozen, free = dense_nets
taught, tuned = model_a.get_weights(), []
for seed in lesson.seeds(5):
    lesson.set_seed(seed)
    start = dense_net(1).get_weights()
    frozen.set_weights([*taught[:-2], *start[-2:]])
    fit(frozen, *first_200, epochs=4, verbose=0)
    for rate in (0.0001, 0.001, 0.01):
        free.optimizer.learning_rate = rate
        free.set_weights(start)
        fit(free, *first_200, epochs=20, verbose=0)
        from_nothing = 1 - test_accuracy(free, b)
        free.set_weights(frozen.get_weights())
        fit(free, *first_200, epochs=16, verbose=0)
        clone.set_weights([*free.get_weights()[:-2], *taught[-2:]])
        tuned.append(
            (f"rate {rate:g}", 1 - test_accuracy(free, b), from_nothing, 1 - test_accuracy(clone, a))
        )
tuned = pd.DataFrame(tuned, columns=["rate", "B on A", "B alone", "task A"])
tuned.groupby("rate").median().rename_axis("median test error").round(4)

# %% tags=["figure"] alt="Three panels with a row of dots for each of three rates, a dot for each seed: the test errors of B on A and of B alone, both smallest at the highest rate, and the test error on task A with A's output layer put back, smallest at the lowest rate."
fig, panels = plt.subplots(1, 3, figsize=(12, 2.8), sharey=True)
titles = {
    "B on A": "B on A, fine-tuned",
    "B alone": "B alone, 20 epochs",
    "task A": "Task A, after fine-tuning",
}
for ax, (column, heading) in zip(panels, titles.items()):
    plotting.seed_dots({name: list(group[column]) for name, group in tuned.groupby("rate")}, ax=ax)
    ax.set(xlim=(0, 0.5), xlabel="test error", title=heading)
    ax.xaxis.set_major_formatter(PercentFormatter(1))
plt.show()

# %% [markdown]
# The lowest rate keeps most of what A knew, as the advice says, but sixteen epochs at this rate are too few to learn B. The highest rate is the best
# for B here, alone and on A. With it the layers forget most about A. So the advice depends on what you want to keep. A low rate protects knowledge that
# the new task needs, but takes more epochs. Here B does not need most of it.
#
# ## Dense layers and convolutions
#
# The chapter adds a warning: transfer does not work well with small dense nets, which learn few patterns and very specific ones. It works best with
# convolutional nets. A unit of a dense layer looks at fixed places, as the images of its weights showed. A convolution looks for a small pattern, an
# edge or a corner, everywhere in the image, and such patterns occur in every image. The chapter does not measure this. So we repeat all draws with a
# small convolutional net, on the same pairs and images and for as many epochs.


# %%
def convolutional_net(outputs):
    last = layers.Dense(1, "sigmoid") if outputs == 1 else layers.Dense(outputs, "softmax")
    features = [
        layers.Conv2D(16, 3, activation="selu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, activation="selu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
    ]
    return keras.Sequential([keras.Input((28, 28)), layers.Reshape((28, 28, 1)), *features, last])


nets = two_nets(convolutional_net)
convolutional = every_draw(convolutional_net, nets, three_ways[:2], "convolutional nets, every pair and draw")
kinds = {"dense layers": dense, "convolutions": convolutional}
summary(convolutional)

# %% tags=["figure"] alt="Two panels, after 20 epochs and after 60, with two rows of four dots for each of eight pairs, one of dense and one of convolutional nets. After 20 epochs most convolutional dots lie to the right of 1; after 60 epochs they lie closer to it."
draw_ratios(list(pairs), kinds, "Dense layers and convolutions, at equal epochs")
plt.show()

# %%
gains = pd.DataFrame({kind: 100 * (errors["B alone"] - errors["B on A"]) for kind, errors in kinds.items()})
gains.groupby(["pair", "epochs"]).mean().unstack().loc[list(pairs)].round(2)

# %% tags=["record"]
other_gains = gains.loc[60].drop(index=chapters_pair, level="pair").mean() / 100
lesson.record(
    "S5.qC6",
    gain_of_convolutions=other_gains["convolutions"],
    gain_of_dense_layers=other_gains["dense layers"],
)

# %% [markdown]
# After twenty epochs the chapter is right: for most pairs convolutions gain far more by reuse than dense layers. The mean errors show one reason:
# alone, the convolutional net has hardly begun to learn after 140 steps. After sixty epochs B alone has caught up a good part. So a part of the gain of
# convolutions is a faster start. The verdicts below say whether they still gain more than dense layers then.
#
# This experiment has limits. The classes of one data set are similar, the images have 28 × 28 pixels, and two hundred of them already teach a net much.
# With large images and few labels reuse can help far more; the references measure that.
#
# ## Verdicts
#
# The source's stored outputs, and three questions of the course's own, measured over several seeds on two software stacks, in full mode on the real
# Fashion-MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("06_transfer_learning")

# %% [markdown]
# ## What to take away
#
# - Reuse takes these steps: clone, copy the weights, new last layer, freeze, compile, train, unfreeze, compile, train.
# - Layers that are not cloned are shared: training one net changes the other.
# - After every change of `trainable`, compile.
# - One draw of one pair shows what is possible. Many draws and pairs show how often it happens.
# - Compare at equal epochs, and look again later: after twenty epochs a faster start and a better net look the same.
#
# **Today** hardly anyone trains a net from nothing where a pretrained one exists. Pretrained nets have seen millions of images, or much of the text of
# the web. Often their own layers are not trained further, but only a small addition to each layer (adapters, LoRA).

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** B alone and B on A both train for twenty epochs on the same two hundred images. Is that a fair comparison of cost?
#
# <details><summary>An answer</summary>
#
# Only if A exists already. Its training took twenty epochs of 1,375 steps, about two hundred times as many steps as B's. If somebody else has paid for
# A, or if A serves for many tasks, reuse is cheap. If you have to train A for this one task, you could train B alone for thousands of epochs in the
# same time.
#
# </details>
#
# **2.** The reused layers of another net contain batch normalization, and you freeze them. Do their running means and variances move while the new
# layer is trained?
#
# <details><summary>An answer</summary>
#
# Not in Keras: a frozen batch normalization uses its running statistics and does not change them. So the new layer gets the features as A computed
# them. Once the layers are unfrozen, the statistics follow the few new images, and the outputs of the lower layers change even before their weights do.
# So many people keep these layers frozen throughout. In frameworks where freezing concerns gradients only, the statistics move all the time.
#
# </details>
#
# **3.** Someone trains A on all ten classes, reuses it for “shirt or sandal” with two hundred images, and finds hardly any errors. What is wrong with
# the claim that reuse helps when images are few?
#
# <details><summary>An answer</summary>
#
# A has learned from thousands of labelled shirts and sandals, so the images were not few. Only A's last layer was thrown away. If you reuse a net, you
# have to know what it was trained on. Even the test images may have been part of it. With models trained on the whole web this is a real worry.
#
# </details>
#
# **4.** Reuse helps on your task. A sceptic says: that is not knowledge. Trained weights have a better size than fresh ones, and any trained net would
# do. Which experiment decides?
#
# <details><summary>An answer</summary>
#
# Use a model A that knows nothing, with weights of the same sizes: take the trained weights and shuffle them within each layer, or train A on shuffled
# labels. Reuse it in the same draws. The part of the gain that is left comes from the sizes, as the sceptic says. The rest is knowledge. The third
# reference found much of the first kind in medical images.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Exercises 1 to 3 have a cell to fill in and a check below it. The check tries your code on inputs of its own and answers in a sentence. In exercise 4
# you predict a result. The solutions are in [a notebook of their own](solutions/06_transfer_learning.ipynb); any code that does what the card asks
# passes.

# %% tags=["given"]
import keras
import numpy as np

from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · As many of each class
#
# *10 minutes.* **What.** Write `few_of_each`. From the labels of many images it draws positions: those of `n_train` images *of each class* for
# training, and those of `n_valid` other images of each class for validation. No image is drawn twice, all images of a class have the same chance, and
# the random numbers come from `rng`, a NumPy generator.
#
# **Why.** The lesson takes two hundred images as they come. With fewer images, chance decides how many of each class you get. And sometimes you choose
# by results, for example how long to train or how many layers to keep. For this you need images that the net has not learned from.


# %% tags=["exercise"]
def few_of_each(labels, n_train, n_valid, rng):
    """Two arrays of positions in labels: n_train images of each class to train on, and n_valid others of each."""
    ...


# %% tags=["solution"]
def few_of_each(labels, n_train, n_valid, rng):
    """Two arrays of positions in labels: n_train images of each class to train on, and n_valid others of each."""
    train, valid = [], []
    for c in np.unique(labels):
        positions = rng.permutation(np.flatnonzero(labels == c))
        train.append(positions[:n_train])
        valid.append(positions[n_train : n_train + n_valid])
    return np.concatenate(train), np.concatenate(valid)


# %% tags=["check"]
check("few_of_each")

# %% tags=["solution"]
labels = b["train"][1]
rng = np.random.default_rng(42)
shirts = {}
for n in (10, 20, 50, 100):
    as_they_come = [int(labels[rng.permutation(len(labels))[:n]].sum()) for _ in range(500)]
    even = {int(labels[few_of_each(labels, n // 2, 5, rng)[0]].sum()) for _ in range(500)}
    shirts[n] = {"fewest": min(as_they_come), "most": max(as_they_come), "by few_of_each": max(even)}
pd.DataFrame(shirts).T.rename_axis("images")

# %% [markdown] tags=["solution"]
# The table counts shirts in 500 draws. With ten images, the most uneven draw has hardly any image of one of the classes. With a hundred, the draws are
# much closer to even. `few_of_each` gives the same number every time, so this chance does not change the net's errors. (Where the classes differ in
# size, in the test images too, even draws answer another question.)

# %% [markdown] tags=["exercise"]
# ### 2 · Reuse without harm
#
# *20 minutes.* **What.** Write `reuse_layers`, which gives a new Keras net for a yes-or-no question. It has *copies* of the first `n_layers` layers of
# a trained `Sequential` net, with all their weights, frozen. On top it has a new `Dense(1, "sigmoid")`, which is not frozen. The original does not
# change, now or while the new net is trained.
#
# **Why.** These are the lesson's steps in one function, with the clone that the source forgot to use. If you leave one out, there is no error message:
# shared layers change the original, and a clone without its weights knows nothing.


# %% tags=["exercise"]
def reuse_layers(model, n_layers):
    """A new net: frozen copies of the first n_layers of model.layers, and a new sigmoid unit on top."""
    ...


# %% tags=["solution"]
def reuse_layers(model, n_layers):
    """A new net: frozen copies of the first n_layers of model.layers, and a new sigmoid unit on top."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for layer in copy.layers[:n_layers]:
        layer.trainable = False
    new = keras.layers.Dense(1, "sigmoid")
    return keras.Sequential([keras.Input(model.input_shape[1:]), *copy.layers[:n_layers], new])


# %% tags=["check"]
check("reuse_layers")

# %% tags=["solution"]
lesson.set_seed()
teacher = compiled(dense_net(8))
fit(teacher, *a["train"], epochs=3, label="a model A, three epochs")
before = test_accuracy(teacher, a)
n_train, n_valid = (30, 15) if lesson.quick else (100, 50)
train, valid = few_of_each(b["train"][1], n_train, n_valid, np.random.default_rng(42))
few, held_out = ([array[part] for array in b["train"]] for part in (train, valid))
own_question = compiled(dense_net(8))  # a net to put layers and A's output layer into

net, rows = reuse_layers(teacher, 6), {}
for state, trainable in [("frozen", False), ("unfrozen", True)]:
    for layer in net.layers[:-1]:
        layer.trainable = trainable
    compiled(net)
    fit(net, *few, epochs=20, verbose=0)
    own_question.set_weights([*net.get_weights()[:-2], *teacher.get_weights()[-2:]])
    rows[f"the copy, {state}"] = {
        "weights trained": sum(int(np.prod(w.shape)) for w in net.trainable_weights),
        "right on the new question": net.evaluate(*held_out, verbose=0)[1],
        "right on A's question": test_accuracy(own_question, a),
    }

# %% tags=["solution"]
print("model A, at the end, answers as before:", test_accuracy(teacher, a) == before)
pd.DataFrame.from_dict(rows, orient="index").round(3)

# %% [markdown] tags=["solution"]
# Frozen, the copy still answers A's question as A does: its layers have not changed. Compare how it answers the new question, frozen and unfrozen. The
# original has not changed in either case.
#
# Unfreeze layer by layer, as here. In Keras 2 `net.trainable = True` unfreezes all layers. Keras 3 skips an assignment that changes nothing. The net as
# a whole was trainable all along, so its frozen layers stay frozen (tried with Keras 2.15 and 3.15).

# %% [markdown] tags=["exercise"]
# ### 3 · Draw by draw
#
# *15 minutes.* **What.** Two ways of training are tried on the same draws, and each draw gives two test errors. Write `paired_interval`, the ends of
# the $95\,\%$ interval for the mean of `nothing - reusing` (a gain is positive): the mean of the differences, minus and plus `t` standard errors of
# that mean. `t` is Student's factor, `2.262` for ten draws.
#
# **Why.** Some draws are harder than others, for both ways alike. That says nothing about which way is better, and pairing removes it. You only have to
# keep the errors in order.


# %% tags=["exercise"]
def paired_interval(nothing, reusing, t):
    """The two ends of the interval for the mean of nothing - reusing; the errors of the same draws, in order."""
    ...


# %% tags=["solution"]
def paired_interval(nothing, reusing, t):
    """The two ends of the interval for the mean of nothing - reusing; the errors of the same draws, in order."""
    gains = nothing - reusing
    half = t * gains.std(ddof=1) / np.sqrt(len(gains))
    return gains.mean() - half, gains.mean() + half


# %% tags=["check"]
check("paired_interval")

# %% tags=["solution"]
free, frozen = reuse_layers(teacher, 6), reuse_layers(teacher, 6)
for layer in free.layers:
    layer.trainable = True
compiled(free), compiled(frozen)
draws, t = (3, 4.303) if lesson.quick else (10, 2.262)
errors = {"from nothing": [], "never frozen": [], "frozen for 4 epochs": []}
for draw in range(draws):
    train, _ = few_of_each(b["train"][1], n_train, n_valid, np.random.default_rng(draw))
    few = [array[train] for array in b["train"]]
    start = dense_net(1).get_weights()
    reused = [*teacher.get_weights()[:-2], *start[-2:]]
    for way, weights in [("from nothing", start), ("never frozen", reused), ("frozen for 4 epochs", reused)]:
        first = frozen if way == "frozen for 4 epochs" else free
        first.set_weights(weights)
        fit(first, *few, epochs=4, verbose=0)
        free.set_weights(first.get_weights())
        fit(free, *few, epochs=16, verbose=0)
        errors[way].append(1 - test_accuracy(free, b))

# %% tags=["solution"]
points, rows = {way: 100 * np.array(values) for way, values in errors.items()}, {}
for first, second in [("from nothing", "frozen for 4 epochs"), ("never frozen", "frozen for 4 epochs")]:
    one, other = points[first], points[second]
    low, high = paired_interval(one, other, t)
    mean, half = np.mean(one - other), t * np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / draws)
    ends = {"from": low, "to": high, "not paired, from": mean - half, "not paired, to": mean + half}
    rows[f"{second}, over {first}"] = {"mean gain": mean, **ends}
pd.DataFrame(rows).T.round(2)

# %% [markdown] tags=["solution"]
# The numbers are percentage points. Pairing makes an interval narrower where the errors of the two ways rise and fall together from draw to draw. In
# the second row the two trainings have nearly everything in common. So there a difference can be measured that is much smaller than the spread between
# draws.

# %% [markdown] tags=["exercise"]
# ### 4 · Predict, run, explain: `trainable` without `compile`
#
# *5 minutes.* **Predict.** The cell below trains a net three times: frozen; then with all layers set to `trainable`, but not compiled again; then after
# `compile`. Each time it counts the weights in the arrays that have changed. The net has 275,801 weights, 51 of them in the output layer. Write down
# the three numbers. **Run** the cell. **Explain** the second number.


# %% tags=["predict"]
def weights_changed(net):
    before = net.get_weights()
    fit(net, *first_200, epochs=2, verbose=0)
    return sum(u.size for u, v in zip(before, net.get_weights()) if not np.array_equal(u, v))


net = dense_net(1)
for layer in net.layers[:-1]:
    layer.trainable = False
compiled(net)
print("frozen, compiled:", weights_changed(net))
for layer in net.layers:
    layer.trainable = True
print("unfrozen, not compiled again:", weights_changed(net))
compiled(net)
print("unfrozen, compiled again:", weights_changed(net))

# %% [markdown] tags=["exercise"]
# <details><summary>An explanation</summary>
#
# Unfreezing alone changes nothing: training still moves only the 51 weights of the output layer. The training step was built for the frozen net, and
# `fit` uses it until you compile again. There is no warning, and the loss goes down, so the mistake is easy to miss. To find it, compare the weights of
# a reused layer before and after, as the cell does.
#
# </details>

# %% [markdown]
# ## References
#
# - J. Yosinski, J. Clune, Y. Bengio, H. Lipson, *How transferable are features in deep neural networks?*, 2014,
#   [arXiv:1411.1792](https://arxiv.org/abs/1411.1792): what is general and what is special in a net, layer by layer.
# - S. Kornblith, J. Shlens, Q. V. Le, *Do Better ImageNet Models Transfer Better?*, 2018, [arXiv:1805.08974](https://arxiv.org/abs/1805.08974):
#   the question asked over many tasks.
# - M. Raghu, C. Zhang, J. Kleinberg, S. Bengio, *Transfusion: Understanding Transfer Learning for Medical Imaging*, 2019,
#   [arXiv:1902.07208](https://arxiv.org/abs/1902.07208): when the gain comes from the size of the first weights and not from what they know.
