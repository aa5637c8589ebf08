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
# # 12 · Monte Carlo dropout
#
# A classifier names a class for every image, also for an image that belongs to none of its classes. How sure is it, and can we believe that? *Monte
# Carlo dropout* (MC dropout) offers an answer without new training. Leave dropout on, ask the net a hundred times, and see how much its answers
# differ. The chapter takes the mean of the answers as a prediction. This lesson measures whether that helps. Then it asks a more important
# question. The answers also show how unsure the net is, its *doubt*. Can we rely on that?
#
# - **You will learn:** to turn a net with dropout into a hundred nets · to read their mean, entropy and mutual information · to test whether a net
#   is right as often as it says, and whether its doubt shows its mistakes and images of another kind
# - **You need:** dropout and alpha dropout ([lesson 11](11_regularization.ipynb))
# - **Reproduces:** *Training Deep Neural Networks*, MC dropout (chapter 11 of A. Géron's *Hands-On Machine Learning*, second edition, notebook of
#   2020)
# - **Time:** about 20 minutes to read; a run takes as long as the line above says, in quick mode under a minute

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("12_mc_dropout")

# %%
from functools import partial

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats

from course_utils import plotting
from course_utils.data import load_fashion_mnist, load_mnist
from course_utils.mc_dropout import mc_model, mc_predict
from course_utils.training import fit, progress_bar

# %% [markdown]
# ## The net
#
# The data are Fashion-MNIST with standardized pixels. The net has dense layers of 300, 100 and 10 units, SELU, LeCun's weights, and alpha dropout
# of `0.2` before each layer ([lesson 11](11_regularization.ipynb) explains them). It is trained for twenty epochs, with SGD at `0.01` and Nesterov
# momentum `0.9`. **Then the chapter calls `fit` once more**: one epoch, without validation, before it asks the net anything. We do the same, from
# several seeds.

# %%
fashion = lesson.data(load_fashion_mnist(validation=5_000))

pixel_mean = fashion.x_train.mean(axis=0)
pixel_std = fashion.x_train.std(axis=0)
pixel_std[pixel_std == 0] = 1


def standardized(images):
    return ((images - pixel_mean) / pixel_std).astype("float32")


x_train, x_valid, x_test = (standardized(x) for x in (fashion.x_train, fashion.x_valid, fashion.x_test))
y_train, y_valid, y_test = fashion.y_train, fashion.y_valid, fashion.y_test

# %%
SeluDense = partial(keras.layers.Dense, activation="selu", kernel_initializer="lecun_normal")


def build(AlphaDropout=keras.layers.AlphaDropout):
    layers = [keras.Input((28, 28)), keras.layers.Flatten()]
    layers += [AlphaDropout(0.2), SeluDense(300), AlphaDropout(0.2), SeluDense(100)]
    return keras.Sequential([*layers, AlphaDropout(0.2), keras.layers.Dense(10, activation="softmax")])


seeds = lesson.seeds(1 if lesson.quick else 3)
nets, weights_after_20 = [], []
for seed in progress_bar(seeds, "nets with alpha dropout, 20 + 1 epochs each"):
    lesson.set_seed(seed)
    net = build()
    momentum = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
    net.compile(momentum, "sparse_categorical_crossentropy", metrics=["accuracy"])
    fit(net, x_train, y_train, epochs=20, validation_data=(x_valid, y_valid), verbose=0)
    weights_after_20.append(net.get_weights())
    fit(net, x_train, y_train, verbose=0)
    nets.append(net)
net = nets[0]

# %% [markdown]
# ## How sure is it?
#
# First we use the net as usual, with dropout off. It gives ten probabilities for each image. We call the largest one its *confidence*. Take the
# test images with a confidence of at least $99\,\%$. If we can believe the net, it is wrong on at most one in a hundred of them.

# %%
usual = net.predict(x_test, batch_size=1000, verbose=0)
certain = usual.max(axis=1) >= 0.99
wrong = usual.argmax(axis=1) != y_test
wrong_share = np.sum(certain & wrong) / max(np.sum(certain), 1)
print(f"images with a confidence of 99 % or more: {certain.mean():.1%}; wrong among them: {wrong_share:.1%}")

# %% [markdown]
# Now we give it images that are no clothes: handwritten digits from MNIST, of the same size.

# %%
digits = lesson.data(load_mnist())
x_digits = standardized(digits.x_test)
usual_digits = net.predict(x_digits, batch_size=1000, verbose=0)
certain_digits = usual_digits.max(axis=1) >= 0.99
print(f"digits with a confidence of 99 % or more: {certain_digits.mean():.1%}; wrong among them: all")

# %% tags=["figure"] alt="Six handwritten digits in a row. Above each is the class of clothes that the net names, with a probability near 1."
surest = np.argsort(-usual_digits[:200].max(axis=1))
picked = [next(i for i in surest if digits.y_test[i] == digit) for digit in (0, 1, 4, 7, 8, 9)]
fig, panels = plt.subplots(1, 6, figsize=(11, 2.4))
for ax, i in zip(panels, picked):
    ax.imshow(digits.x_test[i], cmap="gray_r")
    name = fashion.class_names[usual_digits[i].argmax()]
    ax.set_title(f"{name}, {usual_digits[i].max():.1%}", loc="center", fontsize=10)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
plt.show()

# %% [markdown]
# Among the clothes, the net is wrong more often than it says. It is also nearly certain of many digits, although no class fits them. So one answer
# does not show us what the net does not know.
#
# ## A hundred predictions
#
# Usually dropout is off when a net predicts. **Leave it on, and each call uses another net:** a new *mask* decides which inputs and units are
# switched off. Yarin Gal and Zoubin Ghahramani showed that these answers can be read as samples from an approximate Bayesian posterior, which
# means: as the answers of many nets that all fit the training images. The mean of the answers is the prediction. How much they differ is a measure
# of doubt. In code it is a call in a loop, here for the first test image:

# %%
lesson.set_seed()
samples = np.stack([np.array(net(x_test[:1], training=True)) for _ in range(100)])
mean, deviation = samples.mean(axis=0)[0], samples.std(axis=0)[0]
print("a hundred answers to one image, ten probabilities each:", samples.shape)
likely = np.argsort(-mean)[:4]
columns = {"dropout off": usual[0], "mean of 100": mean, "standard deviation": deviation}
pd.DataFrame(columns, index=fashion.class_names).iloc[likely].round(3)

# %% tags=["figure"] alt="Left: an ankle boot. Middle: with dropout off, one long bar for ankle boot. Right: a hundred dots for each class; those for ankle boot reach from low values to 1, those for sneaker and sandal from 0 to high values, all others are near 0. Lines mark the middle 90 percent."
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(12.5, 4.2), width_ratios=[0.7, 1, 1.6])
left.imshow(fashion.x_test[0], cmap="gray_r")
left.set(title=f"{fashion.class_names[y_test[0]]}, test image 0", xticks=[], yticks=[])
left.grid(False)
places = np.arange(10)
middle.barh(places, usual[0], color=plotting.colour("plain"))
middle.set(title="One answer, dropout off", xlabel="probability", xlim=(-0.02, 1.02))
middle.set_yticks(places, fashion.class_names)
right.plot(samples[:, 0], places + np.linspace(-0.3, 0.3, 100)[:, None], ".", color="#B0B0B0", markersize=4)
low, half, high = np.percentile(samples[:, 0], [5, 50, 95], axis=0)
right.hlines(places, low, high, color=plotting.colour("MC dropout"), label="the middle 90 %")
right.plot(half, places, "D", color=plotting.colour("MC dropout"), label="median")
right.set(title="A hundred answers", xlabel="probability", xlim=(-0.02, 1.02))
right.set_yticks(places, [])
right.legend(loc="center right")
for ax in (middle, right):
    ax.invert_yaxis()
lesson.save_figure(fig, "first-image")
plt.show()

# %% [markdown]
# With dropout off, the net is nearly certain. With dropout on, some of the hundred nets give much probability to a sneaker, and some to a sandal.
# All other classes get almost none. (The chapter shows mean and standard deviation. Mean plus or minus one standard deviation can leave the range
# from 0 to 1, so the figure shows the middle $90\,\%$ of the answers.)
#
# Now we predict all 10,000 test images, as the chapter does.

# %%
n_samples = 10 if lesson.quick else 100
lesson.set_seed()
y_probas = np.stack(
    [net(x_test, training=True).numpy() for _ in progress_bar(range(n_samples), "predictions", "prediction")]
)
y_proba = y_probas.mean(axis=0)
mc_accuracy = np.mean(y_proba.argmax(axis=1) == y_test)
print(f"test accuracy of the mean of {n_samples} predictions: {mc_accuracy:.4f}")

# %% tags=["record"]
lesson.record("S5.cF4", test_accuracy=mc_accuracy)
lesson.record("S5.qF5", mc=mc_accuracy, without=np.mean(usual.argmax(axis=1) == y_test))

# %% [markdown]
# The chapter's run reached “0.8606” (stored output of revision e7658ef). Is that better than without MC dropout? The chapter's numbers cannot tell:
# the accuracy without MC dropout was measured an epoch earlier. Below, we compare both at the same epoch.
#
# ## Layers that stay on
#
# `training=True` has a disadvantage: it puts *every* layer into training mode. Batch normalization would then normalize with the mean and variance
# of the current batch. It would also change its running averages, although we only predict:

# %%
normalization = keras.layers.BatchNormalization()
images = x_test[:100].reshape(100, 784)
for training in (False, True):
    normalization(images)
    before = normalization.moving_mean.numpy()
    normalization(images, training=training)
    changed = not np.array_equal(before, normalization.moving_mean.numpy())
    print(f"training={training}: running average changed: {changed}")

# %% [markdown]
# So only the dropout layers should be in training mode. Three lines make such a layer. The chapter writes two such classes, rebuilds the net with
# them, and gives it the trained weights:


# %%
class MCDropout(keras.layers.Dropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


class MCAlphaDropout(keras.layers.AlphaDropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


rebuilt = build(MCAlphaDropout)
rebuilt.set_weights(net.get_weights())
answers = [rebuilt.predict(x_test[:1], verbose=0)[0] for _ in range(n_samples)]
columns = {"one answer": answers[0], "another": answers[1], "mean of all": np.mean(answers, axis=0)}
pd.DataFrame(columns, index=fashion.class_names).iloc[likely].round(3)

# %% [markdown]
# The course has a function for this. `mc_model(net)` builds any Sequential or functional net again with such layers, on the same weights.
# `mc_predict(net, images)` asks the net many times, and returns mean, standard deviation and two measures of doubt.

# %%
print([type(layer).__name__ for layer in mc_model(net).layers])


# %%
def both_ways(net, seed):
    """Ask about all test images with dropout off and on; return the answers and a row for the table."""
    off, mc = net.predict(x_test, batch_size=1000, verbose=0), mc_predict(net, x_test, n_samples, seed=seed)
    right_off, right_mc = (p.argmax(axis=1) == y_test for p in (off, mc.mean))
    row = {
        "dropout off": right_off.mean(),
        "MC dropout": right_mc.mean(),
        "images won": np.sum(right_mc & ~right_off),
        "images lost": np.sum(right_off & ~right_mc),
    }
    return {"dropout off": off, "MC dropout": mc}, row


found, rows = [], {}
bar = progress_bar(nets, "asking each net about all test images", "net")
for one, seed, earlier in zip(bar, seeds, weights_after_20):
    last = one.get_weights()
    one.set_weights(earlier)
    _, rows[seed, "20 epochs"] = both_ways(one, seed)
    one.set_weights(last)
    answers, rows[seed, "20 + 1 epochs"] = both_ways(one, seed)
    found.append(answers)
pd.DataFrame.from_dict(rows, orient="index").rename_axis(["test accuracy, seed", "after"]).round(4)

# %% [markdown]
# Does MC dropout make this net more accurate, with the same weights? *Images won* are those that only the mean of the predictions gets right.
# *Images lost* are those that only the net with dropout off gets right. The two accuracies differ by about a percentage point at most, and the
# difference changes from row to row: many images are won and many are lost. So do not expect a higher accuracy from MC dropout here. The verdict at
# the end counts more seeds. But the main use of MC dropout is another one: doubt.
#
# ## Is its doubt any good?
#
# ### Does it mean what it says?
#
# Take all images with a confidence of about $80\,\%$. The net should be right on $80\,\%$ of them. So we sort the test images by confidence into
# ten bins, and compare confidence and accuracy in each bin. The figure is a **reliability diagram**. The mean distance between confidence and
# accuracy, with each bin weighted by its number of images, is the **calibration error**.


# %%
def reliability(probabilities, y, bins=10):
    """For each bin of confidence: the share of images, mean confidence, accuracy; and the calibration error."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    filled = np.maximum(count, 1)
    table = pd.DataFrame(
        {
            "share": count / len(y),
            "confidence": np.bincount(bin_of, confidence, bins) / filled,
            "accuracy": np.bincount(bin_of, right, bins) / filled,
        }
    )
    error = np.sum(table.share * np.abs(table.accuracy - table.confidence))
    return table[count >= 20], error  # of fewer images, the share that is right says little


def cross_entropy(probabilities, y):
    return -np.mean(np.log(np.maximum(probabilities[np.arange(len(y)), y], 1e-7)))


# %%
diagrams = {"dropout off": [], "MC dropout": []}
rows = []
for one in found:
    row = {}
    for name, p in {"dropout off": one["dropout off"], "MC dropout": one["MC dropout"].mean}.items():
        table, error = reliability(p, y_test)
        diagrams[name].append(table)
        row |= {f"calibration error, {name}": error, f"cross-entropy, {name}": cross_entropy(p, y_test)}
    rows.append(row)
pd.DataFrame(rows, index=pd.Index(seeds, name="seed")).sort_index(axis=1).round(4)

# %% tags=["figure", "cover"] alt="Two reliability diagrams with bars below. Dropout off: accuracy is far below the diagonal, and most images are in the bin of the highest confidence. MC dropout: accuracy is near the diagonal, mostly a little above it, and fewer images are in the highest bin."
fig, panels = plt.subplots(2, 2, figsize=(9.4, 6.2), sharex=True, sharey="row", height_ratios=[3, 1.2])
for (above, below), (name, tables) in zip(panels.T, diagrams.items()):
    shade = plotting.colour("plain" if name == "dropout off" else name)
    above.plot([0, 1], [0, 1], "--", color="#D55E00", linewidth=1.5, label="accuracy equals confidence")
    for table, width in zip(tables, [2.5] + [0.8] * 9):
        above.plot(table.confidence, table.accuracy, "o-", color=shade, linewidth=width, markersize=width + 2)
    finding = "too sure" if name == "dropout off" else "confidence near the accuracy"
    above.set(title=f"{name}: {finding}", xlim=(0.2, 1.02), ylim=(0.2, 1.02))
    bars = below.bar(tables[0].confidence, tables[0].share, width=0.07, color=shade)
    below.bar_label(bars, [f"{share:.0%}" for share in tables[0].share], fontsize=9)
    below.set(xlabel="confidence", ylim=(0, 1))
    for axis in (above.xaxis, above.yaxis, below.yaxis):
        axis.set_major_formatter(plotting.PercentFormatter(1))
panels[0, 0].set_ylabel("accuracy")
panels[1, 0].set_ylabel("share of images")
panels[0, 0].legend(loc="upper left")
lesson.save_figure(fig, "reliability")
plt.show()

# %% [markdown]
# There is a line for each seed; the thick line and the bars are from the first seed. (Bins of fewer than 20 images are not drawn.) With dropout off,
# the line is far below the diagonal: the net is right less often than it says. Most images are in the bin of the highest confidence. With MC dropout
# the line is near the diagonal, mostly a little above it: now the net is right a little *more* often than it says. The cross-entropy, which punishes
# certain mistakes most, is lower, too.
#
# So MC dropout makes the probabilities of this net much better, and hardly changes the accuracy. It needs no new training.
#
# ### Does it notice its mistakes, and strangers?
#
# Doubt is useful if it is larger where the net is wrong: on clothes that it takes for something else (*mistakes*), and on images that belong to
# none of its classes (*strangers*). We need a number for doubt. The **entropy** of an answer is $-\sum p \ln p$. It is 0 if one class has all the
# probability, and $\ln 10 \approx 2.3$ if ten classes have equal probabilities. A hundred answers give three such numbers for each image:
#
# - the entropy of the mean answer: the whole doubt;
# - the mean of the entropies of the single answers: the doubt that each net has by itself;
# - the difference of the two, the **mutual information**: how much the nets contradict each other.
#
# If an image is between two classes, every net hesitates: the second number is large. If an image is unlike all training images, each net may be
# sure, but of another class: the third number is large.
#
# **Which of them will tell digits from clothes best?** We measure it in this way: take a digit and a piece of clothing at random. How often does
# the digit cause more doubt? (This is the area under the ROC curve. One half is guessing, and 1 is never wrong.) In the same way we compare
# mistakes with clothes that the net gets right.


# %%
def told_apart(doubtful, others):
    """The share of pairs in which the first of the two has more doubt."""
    return stats.mannwhitneyu(doubtful, others).statistic / (len(doubtful) * len(others))


kinds = ["entropy, dropout off", "entropy, MC dropout", "mutual information, MC dropout"]
mistakes, strangers, doubts = {kind: [] for kind in kinds}, {kind: [] for kind in kinds}, []
for one, seed, answers in zip(progress_bar(nets, "asking each net about digits", "net"), seeds, found):
    off, mc = answers["dropout off"], answers["MC dropout"]
    wrong = {"off": off.argmax(axis=1) != y_test, "mc": mc.mean.argmax(axis=1) != y_test}
    mc_digits = mc_predict(one, x_digits, n_samples, seed=seed)
    off_digits = one.predict(x_digits, batch_size=1000, verbose=0)
    of_clothes = [stats.entropy(off, axis=1), mc.entropy, mc.mutual_information]
    of_digits = [stats.entropy(off_digits, axis=1), mc_digits.entropy, mc_digits.mutual_information]
    for kind, clothes, digit, is_wrong in zip(kinds, of_clothes, of_digits, ("off", "mc", "mc")):
        mistakes[kind].append(told_apart(clothes[wrong[is_wrong]], clothes[~wrong[is_wrong]]))
        strangers[kind].append(told_apart(digit, clothes))
    doubts.append((of_clothes, of_digits))

tops = [0, 2, 3, 4, 6]  # T-shirt, pullover, dress, coat, shirt
missed = usual.argmax(axis=1) != y_test
among_tops = np.isin(y_test, tops) & np.isin(usual.argmax(axis=1), tops)
print(f"of the mistakes, dropout off: {among_tops[missed].mean():.0%} take one kind of top for another")

# %% tags=["figure"] alt="Two panels with three rows of dots, a dot for each seed: entropy with dropout off, entropy with MC dropout, mutual information. Left, mistakes and right answers: mutual information is lowest. Right, digits and clothes: entropy with dropout off is lowest."
fig, panels = plt.subplots(1, 2, figsize=(11, 2.8), sharey=True, sharex=True)
for ax, values, title in zip(
    panels, (mistakes, strangers), ("Mistakes told from right answers", "Digits told from clothes")
):
    plotting.seed_dots(values, ax=ax)
    ax.set(title=title, xlabel="share of pairs told apart")
    ax.xaxis.set_major_formatter(plotting.PercentFormatter(1))
lesson.save_figure(fig, "told-apart")
plt.show()

# %% tags=["figure"] alt="Three panels, each with a curve for clothes and one for digits: the share of images with at least a certain doubt. With dropout off the two curves are near each other, and many digits cause hardly any doubt. With MC dropout the digits' curve is far to the right of the clothes' curve, for entropy and for mutual information."
fig, panels = plt.subplots(1, 3, figsize=(13, 3.9), sharey=True)
for ax, kind, clothes, digit in zip(panels, kinds, *doubts[0]):
    for name, values in {"clothes": clothes, "digits": digit}.items():
        values = np.sort(values)
        dash, shade = "-" if name == "clothes" else "--", plotting.colour(name, ax)
        ax.plot(values, 1 - np.arange(len(values)) / len(values), dash, color=shade, label=name)
    ax.set(title=kind, xlabel="doubt (nats)", xlim=(-0.03, 2.35))
    ax.yaxis.set_major_formatter(plotting.PercentFormatter(1))
panels[0].set_ylabel("share of images with at least this doubt")
panels[0].legend(loc="upper right")
plt.show()

# %% [markdown]
# The two questions have different answers.
#
# - **Mistakes.** The entropy of the usual answer tells them from right answers about as well as the entropy of the mean of a hundred. The mutual
#   information does it worst. Most mistakes take one kind of top for another, such as a shirt for a coat. There a single net hesitates already, and
#   the hundred nets hesitate together.
# - **Strangers.** With dropout off, many digits cause hardly any doubt. With a hundred masks, the nets see different things in a digit. So the
#   mutual information is larger for a digit than for a piece of clothing in nearly all pairs.
#
# Two warnings. Digits are easy strangers; images that look like clothes are harder. And an alarm needs a threshold of doubt, and images of both
# kinds to choose it with.
#
# ### Two kinds of doubt
#
# Now the code looks for two test images. One has the largest mean entropy of the single answers; the other has the largest mutual information.

# %%
mc = found[0]["MC dropout"]
own_doubt = mc.entropy - mc.mutual_information
chosen = {
    "each net hesitates": int(np.argmax(own_doubt)),
    "the nets contradict each other": int(np.argmax(mc.mutual_information)),
}
rows = {
    name: {
        "test image": i,
        "label": fashion.class_names[y_test[i]],
        "entropy of the mean": mc.entropy[i],
        "mean entropy": own_doubt[i],
        "mutual information": mc.mutual_information[i],
    }
    for name, i in chosen.items()
}
pd.DataFrame.from_dict(rows, orient="index").round(3)

# %% tags=["figure"] alt="Two test images, each with a hundred answers beside it. Beside the first, most dots are at small probabilities, in several classes. Beside the second, the dots of several classes spread from 0 to 1."
fig, panels = plt.subplots(1, 4, figsize=(13, 3.9), width_ratios=[0.6, 1.1, 0.6, 1.1])
places = np.arange(10)
for (left, right), (name, i) in zip(panels.reshape(2, 2), chosen.items()):
    left.imshow(fashion.x_test[i], cmap="gray_r")
    left.set(xticks=[], yticks=[], title=f"{fashion.class_names[y_test[i]]}")
    left.grid(False)
    jitter = np.linspace(-0.3, 0.3, len(y_probas))[:, None]
    right.plot(y_probas[:, i], places + jitter, ".", color="#808080", markersize=4)
    right.plot(mc.mean[i], places, "D", color=plotting.colour("MC dropout"))
    right.set(title=name, xlabel="probability", xlim=(-0.02, 1.02))
    right.set_yticks(places, fashion.class_names)
    right.invert_yaxis()
lesson.save_figure(fig, "two-kinds-of-doubt")
plt.show()

# %% [markdown]
# Look at the first image. Would you be sure what it is? Most of its grey dots are at small probabilities, in several classes. So hardly any of the
# hundred nets is sure. More training images would not make *this* image clearer.
#
# The second image is unusual. Several classes have dots near 1: single nets are sure, but of different classes. Here more training images of this
# kind would help. So mutual information is used to choose the images that a person should label next (*active learning*).
#
# ## Verdicts
#
# The table has the number from the stored outputs of revision e7658ef and the course's own question. Our runs are over several seeds on both
# stacks, in full mode on the real Fashion-MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("12_mc_dropout")

# %% [markdown]
# ## What to take away
#
# - MC dropout is a loop around a trained net with dropout. With batch normalization in the net, switch on the dropout layers only.
# - Do not expect a higher accuracy from it. Compare at the same epoch, or you compare two nets.
# - Here it makes the probabilities better: the net is right nearly as often as it says. With dropout off, the net is far too sure.
# - To notice mistakes among clothes, the entropy of the usual answer is enough. To notice strangers, the mutual information of a hundred answers is
#   much better.
# - The dropout rate sets how large the doubt is. Nothing in the training makes it right, so measure it on images that have labels (exercise 3).
#
# **Today** calibration is a field of research. Temperature scaling divides the inputs of the softmax by one number, chosen on the validation set.
# This corrects the confidence. For doubt, the method to compare with is an *ensemble*: a few nets trained from different seeds.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** To save memory, somebody keeps only the most probable class of each of a hundred answers, and counts votes. What is lost?
#
# <details><summary>An answer</summary>
#
# We lose how sure each net was. If all hundred give boot $55\,\%$ and sneaker $45\,\%$, the mean says $55\,\%$ and the votes say $100\,\%$. Votes
# show only the doubt that comes from contradiction, never the doubt that all nets share. Average the probabilities, and choose a class at the end.
#
# </details>
#
# **2.** Five nets answer the same images. The cross-entropy of their mean answer is never above the mean of their five cross-entropies. Why? Is the
# same true of the share of mistakes?
#
# <details><summary>An answer</summary>
#
# $-\ln$ is convex: $-\ln$ of the mean of some numbers is at most the mean of their $-\ln$. For each image this holds with the five probabilities of
# the true class. So it holds for the mean over the images, too. For mistakes it is not true. Suppose that three nets are right with a small lead,
# and two are wrong with a large one. Then the mean is wrong, although most of the five are right.
#
# </details>
#
# **3.** Half of all images show a cat. A net says “cat” with $50\,\%$ for every image. What is its calibration error? What should stand beside this
# number in a report?
#
# <details><summary>An answer</summary>
#
# The error is zero: the net says $50\,\%$ and is right in half of the cases. Calibration asks whether we can believe the probabilities, not whether
# they say anything about the image. A report should also give a measure that rewards knowledge: the cross-entropy, or the accuracy. On the other
# hand, a net that is always right but only $80\,\%$ sure has an error of $20\,\%$.
#
# </details>
#
# **4.** You ask the net with dropout on a thousand times instead of a hundred. Does the mutual information of an image become larger, smaller, or
# neither?
#
# <details><summary>An answer</summary>
#
# Nearly neither. More samples estimate the same quantity with less noise. The doubt depends on the net and the dropout rate, not on the number of
# samples. (With few samples the entropy of the mean is on average a little too low, and so is the mutual information.)
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each of the first two has a cell to fill in and a check below it. The check tries your code on inputs of its own, and answers in a sentence. In
# the third you predict a result. The solutions are in [a notebook of their own](solutions/12_mc_dropout.ipynb). Any code that does what the card
# asks passes.

# %% tags=["given"]
import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from course_utils.checks import check
from course_utils.mc_dropout import mc_samples

# %% [markdown] tags=["exercise"]
# ### 1 · Doubt and contradiction
#
# *20 minutes.* **What.** Write `mutual_information`. `samples[i, j]` holds the probabilities that net $i$ gives the classes for image $j$. For each
# image, return the entropy of the nets' mean answer, minus the mean of the entropies of their single answers. Use natural logarithms. A probability
# can be exactly 0; then its term in the sum is 0.
#
# **Why.** An image can be doubtful because it looks like two classes; then every net hesitates. Or it looks like no class; then each net may be
# sure of another one. The mean answer can be the same in both cases. The mutual information tells them apart.


# %% tags=["exercise"]
def mutual_information(samples):
    """How much the nets contradict each other, in nats, for each image; samples: (nets, images, classes)."""
    ...


# %% tags=["solution"]
from scipy.special import xlogy  # x log y, and 0 where x is 0


def mutual_information(samples):
    """How much the nets contradict each other, in nats, for each image; samples: (nets, images, classes)."""
    mean = samples.mean(axis=0)
    all_doubt = -xlogy(mean, mean).sum(axis=-1)
    own_doubt = -xlogy(samples, samples).sum(axis=-1).mean(axis=0)
    return all_doubt - own_doubt


# %% tags=["check"]
check("mutual_information")

# %% [markdown] tags=["solution"]
# We train the lesson's net for three epochs with larger batches. We ask it fifty times about 500 clothes, 500 digits, and 500 images of random
# pixels (*noise*).

# %% tags=["solution"]
from scipy.stats import entropy

from course_utils import plotting
from course_utils.data import load_fashion_mnist, load_mnist
from course_utils.training import fit

fashion, digits = lesson.data(load_fashion_mnist(validation=5_000)), lesson.data(load_mnist())
noise = np.random.default_rng(lesson.seed).integers(0, 256, (500, 28, 28))

pixel_mean, pixel_std = fashion.x_train.mean(axis=0), fashion.x_train.std(axis=0)
pixel_std[pixel_std == 0] = 1


def standardized(images):
    return ((images - pixel_mean) / pixel_std).astype("float32")


x_test, y_test = standardized(fashion.x_test), fashion.y_test

# %% tags=["solution"]
layers = [keras.Input((28, 28)), keras.layers.Flatten()]
for units in (300, 100):
    dense = keras.layers.Dense(units, activation="selu", kernel_initializer="lecun_normal")
    layers += [keras.layers.AlphaDropout(0.2), dense]
layers += [keras.layers.AlphaDropout(0.2), keras.layers.Dense(10, activation="softmax")]

lesson.set_seed()
net = keras.Sequential(layers)
momentum = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
net.compile(momentum, "sparse_categorical_crossentropy", metrics=["accuracy"])
fit(net, standardized(fashion.x_train), fashion.y_train, 128, epochs=3, label="a net for the exercises")

shown = {"clothes": x_test[:500], "digits": standardized(digits.x_test[:500]), "noise": standardized(noise)}
samples = {name: mc_samples(net, x, 50, seed=lesson.seed) for name, x in shown.items()}
rows = {}
for name, answers in samples.items():
    doubts = entropy(answers.mean(axis=0), axis=1), mutual_information(answers)
    rows[name] = dict(zip(("entropy of the mean", "mutual information"), map(np.median, doubts)))
pd.DataFrame.from_dict(rows, orient="index").rename_axis("median, in nats").round(3)

# %% tags=["solution", "figure"] alt="A scatter plot of mutual information against entropy. Images of noise are near the dashed diagonal, clothes of the same entropy are lower."
fig, ax = plt.subplots(figsize=(7.2, 4.6))
for name, answers in samples.items():
    doubts = entropy(answers.mean(axis=0), axis=1), mutual_information(answers)
    shade, shape = plotting.colour(name, ax), plotting.marker(name, ax)
    ax.plot(*doubts, shape, color=shade, markersize=4, alpha=0.5, label=name)
ax.plot([0, 1.75], [0, 1.75], "--", color="black", linewidth=1.2, label="all doubt is contradiction")
ax.set(xlabel="entropy of the mean answer (nats)", ylabel="mutual information (nats)")
ax.set_title("About noise the nets contradict each other most")
ax.legend()
plt.show()

# %% [markdown] tags=["solution"]
# The points of the noise are below the dashed line, but not far. So most of the doubt about noise is contradiction: with each mask the net is sure
# of another class. Clothes of the same entropy are much lower: there each net hesitates by itself. (This is one net, trained for a short time.)

# %% [markdown] tags=["exercise"]
# ### 2 · When the net may decline to answer
#
# *10 minutes.* **What.** A net may refuse to answer where it is least sure. Write `accuracy_of_the_surest`: the accuracy on the `share` of images
# with the highest confidence (the largest probability). Row `i` of `probabilities` belongs to image `i`, whose true class is `y[i]`. Of `n` images
# take the `share * n` surest, rounded to a whole number.
#
# **Why.** This is the use of doubt in practice: a person looks at the doubtful images. But if the confidence of a net says nothing about its
# mistakes, refusing does not make it more accurate.


# %% tags=["exercise"]
def accuracy_of_the_surest(probabilities, y, share):
    """The accuracy on the given share of images, those with the highest confidence."""
    ...


# %% tags=["solution"]
def accuracy_of_the_surest(probabilities, y, share):
    """The accuracy on the given share of images, those with the highest confidence."""
    surest = np.argsort(-probabilities.max(axis=1))[: round(share * len(y))]
    return np.mean(probabilities[surest].argmax(axis=1) == y[surest])


# %% tags=["check"]
check("accuracy_of_the_surest")

# %% tags=["solution"]
off = net.predict(x_test, batch_size=1000, verbose=0)
mc = mc_samples(net, x_test, 50, seed=lesson.seed).mean(axis=0)
rows = {
    f"the surest {share:.0%}": {
        name: accuracy_of_the_surest(p, y_test, share)
        for name, p in {"dropout off": off, "MC dropout": mc}.items()
    }
    for share in (1.0, 0.9, 0.8, 0.5)
}
pd.DataFrame.from_dict(rows, orient="index").rename_axis("test accuracy").round(4)

# %% [markdown] tags=["solution"]
# Both columns rise from top to bottom. Where the net is sure, it is right more often, so refusing makes it more accurate. The two columns differ
# little. This fits the lesson: for mistakes among clothes, the confidence with dropout off is a good guide.

# %% [markdown] tags=["exercise"]
# ### 3 · Predict, run, explain: another rate
#
# *10 minutes.* The net was trained with a dropout rate of `0.2`. The cell below asks it with five rates, fifty times each. It shows the mean
# confidence of the mean answer, and how often that answer is right.
#
# **Predict:** what does a higher rate do to the confidence, and what to the accuracy? At which of the rates are the two closest?
#
# **Run** the cell.
#
# **Explain** why confidence and accuracy change so differently.


# %% tags=["predict"]
def with_rate(rate):
    """The trained net with another dropout rate, and the same weights."""
    layers = [keras.Input((28, 28)), keras.layers.Flatten()]
    for units, activation in [(300, "selu"), (100, "selu"), (10, "softmax")]:
        layers += [keras.layers.AlphaDropout(rate), keras.layers.Dense(units, activation=activation)]
    other = keras.Sequential(layers)
    other.set_weights(net.get_weights())
    return other


rows = {}
for rate in (0.05, 0.1, 0.2, 0.35, 0.5):
    p = mc_samples(with_rate(rate), x_test[:2000], 50, seed=lesson.seed).mean(axis=0)
    right = p.argmax(axis=1) == y_test[: len(p)]
    rows[rate] = {"mean confidence": p.max(axis=1).mean(), "accuracy": right.mean()}
pd.DataFrame.from_dict(rows, orient="index").rename_axis("dropout rate").round(3)

# %% [markdown] tags=["exercise"]
# <details><summary>What happens, and why</summary>
#
# The higher the rate, the lower the confidence of the mean answer. With a higher rate the masks differ more, so the answers differ more, and in
# their mean no class has nearly all of the probability. The accuracy falls, too, but slowly at first, because the right class still has the largest
# probability in the mean of many disturbed answers. So the confidence falls faster than the accuracy. The rate at which they are closest depends on
# the net.
#
# Nothing in the training chose that rate. A person sets the rate, and the rate sets how large the doubt is. MC dropout is called Bayesian, but only
# images with labels can show whether its probabilities are right. Choose the rate for it on a validation set, as you would choose a temperature.
#
# </details>

# %% [markdown]
# ## References
#
# - Y. Gal, Z. Ghahramani, *Dropout as a Bayesian Approximation*, 2015, [arXiv:1506.02142](https://arxiv.org/abs/1506.02142): why differing answers
#   measure doubt.
# - C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, *On Calibration of Modern Neural Networks*, 2017,
#   [arXiv:1706.04599](https://arxiv.org/abs/1706.04599): reliability diagrams, and temperature scaling.
# - N. Houlsby and others, *Bayesian Active Learning for Classification and Preference Learning*, 2011,
#   [arXiv:1112.5745](https://arxiv.org/abs/1112.5745): mutual information as a measure of doubt.
# - B. Lakshminarayanan, A. Pritzel, C. Blundell, *Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles*, 2016,
#   [arXiv:1612.01474](https://arxiv.org/abs/1612.01474): a few nets instead of masks.
# - Y. Ovadia and others, *Can You Trust Your Model's Uncertainty?*, 2019, [arXiv:1906.02530](https://arxiv.org/abs/1906.02530): MC dropout,
#   ensembles and others, on data that drift away from the training set.
