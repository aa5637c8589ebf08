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
# A classifier names a class for every image, also for an image that it cannot know. How sure is it, and can we believe that? *Monte Carlo
# dropout* (MC dropout) promises an answer without new training: leave dropout on, ask the net a hundred times, and see how far its answers differ. The chapter takes
# their mean as a prediction. This lesson measures whether that helps. Then it asks the more important question: is the net's doubt any good?
#
# - **You will learn:** to turn a net with dropout into a hundred nets · to read their mean, entropy and mutual information · to test whether
#   a net is as often right as it says, and whether it notices its mistakes and images of another kind
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
# It is the net with alpha dropout of lesson 11, on Fashion-MNIST with standardized pixels. It has 300, 100 and 10 units, SELU, LeCun's weights, and alpha dropout of `0.2` before
# each layer. It is trained for twenty epochs, with SGD at `0.01` and Nesterov momentum `0.9`. **Then the chapter calls `fit` once more**: one epoch, without validation, before it asks the
# net anything. We do the same, from several seeds.

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
# Used as usual, with dropout off, the net gives ten probabilities for each image; we call the largest one its *confidence*. Look at those images of which it says that it is at least
# $99\,\%$ sure. If it means what it says, it is wrong about at most one in a hundred of them.

# %%
usual = net.predict(x_test, batch_size=1000, verbose=0)
certain = usual.max(axis=1) >= 0.99
wrong = usual.argmax(axis=1) != y_test
wrong_share = np.sum(certain & wrong) / max(np.sum(certain), 1)
print(f"images with a confidence of 99 % or more: {certain.mean():.1%}; wrong among them: {wrong_share:.1%}")

# %% [markdown]
# Now some images that are no clothes at all: handwritten digits from MNIST, of the same size.

# %%
digits = lesson.data(load_mnist())
x_digits = standardized(digits.x_test)
usual_digits = net.predict(x_digits, batch_size=1000, verbose=0)
certain_digits = usual_digits.max(axis=1) >= 0.99
print(f"digits with a confidence of 99 % or more: {certain_digits.mean():.1%}; wrong among them: all")

# %% tags=["figure"] alt="Six handwritten digits in a row. Above each stands the piece of clothing that the net sees in it, with a high probability."
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
# Among the clothes it is wrong more often than it says. And it is certain of many digits, which it cannot know. From a single answer we cannot see what the net
# does not know.
#
# ## A hundred predictions
#
# Usually dropout is off when a net is used. **Leave it on, and each call is another net:** each has other inputs and units switched off. Yarin
# Gal and Zoubin Ghahramani showed that one can read their answers as samples from an approximate Bayesian posterior: as the answers of many nets
# that all fit the training images. Their mean is the prediction, and how far they differ is a measure of doubt. In code it is a call in a loop, here for the first test image:

# %%
lesson.set_seed()
samples = np.stack([np.array(net(x_test[:1], training=True)) for _ in range(100)])
mean, deviation = samples.mean(axis=0)[0], samples.std(axis=0)[0]
print("a hundred answers to one image, ten probabilities each:", samples.shape)
likely = np.argsort(-mean)[:4]
columns = {"dropout off": usual[0], "mean of 100": mean, "standard deviation": deviation}
pd.DataFrame(columns, index=fashion.class_names).iloc[likely].round(3)

# %% tags=["figure"] alt="Left: an ankle boot. Middle: with dropout off, one long bar for ankle boot. Right: a hundred dots for each class; those for ankle boot reach from near 0 to 1, those for sneaker and sandal from 0 to high values, all others stay at 0. Lines mark the middle 90 percent."
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
# With dropout off the net is nearly certain. With dropout on, some of the hundred nets see a sneaker, and some a sandal. The other classes hardly occur.
# (The chapter shows mean and standard deviation. Mean plus and minus one standard deviation can leave the range from 0 to 1, so the figure shows what the middle 90 of
# the hundred say.)
#
# Now all 10,000 test images, as the chapter does it.

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
# The chapter's run reached “0.8606” (stored output of revision e7658ef). Is that better than without MC dropout? The chapter's two numbers cannot tell: the one without
# ([lesson 11](11_regularization.ipynb)) was measured an epoch earlier. We compare at the same epoch, below.
#
# ## Layers that stay on
#
# `training=True` has a catch: it puts *every* layer into training mode. Batch normalization would then normalize with the statistics of the batch at hand,
# and change its running averages, although it was only asked for a prediction:

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
# So only the dropout layers are to be in training mode. Three lines make such a layer. The chapter makes two of them, rebuilds the net with them, and gives it the trained weights:


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
# The course has a function for this: `mc_model(net)` builds any Sequential or functional net again with such layers, on the same weights. And `mc_predict(net, images)` asks it
# many times, and returns mean, standard deviation and two measures of doubt.

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
# Does MC dropout make this net more accurate, at the same epoch and with the same weights? *Images won* are those that only the mean of the predictions gets right, *images lost* those
# that only the net with dropout off gets right. Compare the rows. The difference is about a point at most, and it is not the same from seed to seed, nor from one epoch to
# the next of the same net: many images are won and many lost, and a few more on one side decide. So do not
# expect accuracy from MC dropout here; the verdict at the end counts more seeds. But accuracy is not the main promise. Doubt is.
#
# ## Is its doubt any good?
#
# ### Does it mean what it says?
#
# A net that says $80\,\%$ should be right in $80\,\%$ of those cases. Sort the test images by confidence into ten bins, and compare in each bin: that is a
# **reliability diagram**. The distance between confidence and accuracy, averaged over the bins by their number of images, is the **calibration error**.


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

# %% tags=["figure", "cover"] alt="Two reliability diagrams with bars below. Dropout off: accuracy lies well below the diagonal, and most images are in the bin of the highest confidence. MC dropout: accuracy lies near the diagonal, a little above it, and fewer images are in the highest bin."
fig, panels = plt.subplots(2, 2, figsize=(9.4, 6.2), sharex=True, sharey="row", height_ratios=[3, 1.2])
for (above, below), (name, tables) in zip(panels.T, diagrams.items()):
    shade = plotting.colour("plain" if name == "dropout off" else name)
    above.plot([0, 1], [0, 1], "--", color="#D55E00", linewidth=1.5, label="exactly as sure as it is right")
    for table, width in zip(tables, [2.5] + [0.8] * 9):
        above.plot(table.confidence, table.accuracy, "o-", color=shade, linewidth=width, markersize=width + 2)
    finding = "too sure" if name == "dropout off" else "nearly as sure as it is right"
    above.set(title=f"{name}: {finding}", xlim=(0.2, 1.02), ylim=(0.2, 1.02))
    bars = below.bar(tables[0].confidence, tables[0].share, width=0.07, color=shade)
    below.bar_label(bars, [f"{share:.0%}" for share in tables[0].share], fontsize=9)
    below.set(xlabel="confidence", ylim=(0, 1))
    for axis in (above.xaxis, above.yaxis, below.yaxis):
        axis.set_major_formatter("{x:.0%}")
panels[0, 0].set_ylabel("accuracy")
panels[1, 0].set_ylabel("share of images")
panels[0, 0].legend(loc="upper left")
lesson.save_figure(fig, "reliability")
plt.show()

# %% [markdown]
# One line for each seed; the thick line and the bars belong to the first. With dropout off the curve lies far below the diagonal: the net is right less often than it says, and it says “almost certain” of most images. With MC
# dropout the curve is near the diagonal, mostly a little above it: now the net is right a little *more* often than it says. The cross-entropy, which punishes certain mistakes, is lower as well.
#
# So the accuracy gains nothing, and the probabilities gain much. It takes no new training.
#
# ### Does it notice its mistakes, and strangers?
#
# Doubt is useful if it is larger where the net is wrong: at its mistakes among clothes, and at *strangers*, images that belong to none of its classes. We need a number for doubt. The **entropy** of an answer is $-\sum p \ln p$: 0 if one class has all the probability, and
# $\ln 10 \approx 2.3$ if ten classes have equal shares. With a hundred answers there are three such numbers for each image:
#
# - the entropy of the mean answer: the whole doubt;
# - the mean entropy of the single answers: the doubt that each net has by itself;
# - the difference of the two, the **mutual information**: how far the nets contradict each other.
#
# An image between two classes makes every net hesitate: the second part is large. An image unlike all training images may leave each net sure, but of different
# classes: the third part is large.
#
# **Which of them will tell digits from clothes best?** We measure it so: take a digit and a piece of clothing at random. How often does the digit cause more doubt? (That is the area under the ROC
# curve. One half is guessing, 1 is never wrong.) In the same way we compare clothes that the net takes for something else with those it gets right.


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

# %% tags=["figure"] alt="Two panels with three rows of dots each, one a seed. Left, mistakes against right answers. Right, digits against clothes. Rows: entropy with dropout off, entropy with MC dropout, mutual information."
fig, panels = plt.subplots(1, 2, figsize=(11, 2.8), sharey=True, sharex=True)
for ax, values, title in zip(
    panels, (mistakes, strangers), ("Mistakes from right answers", "Digits from clothes")
):
    plotting.seed_dots(values, ax=ax)
    ax.set(title=title, xlabel="how often doubt tells them apart")
    ax.xaxis.set_major_formatter("{x:.0%}")
lesson.save_figure(fig, "told-apart")
plt.show()

# %% tags=["figure"] alt="Three panels of curves: the share of images with at least so much doubt, for clothes and for digits. With dropout off the two curves are near each other, and many digits cause no doubt. With MC dropout the digits' curve lies far to the right of the clothes' one, for entropy and for mutual information."
fig, panels = plt.subplots(1, 3, figsize=(13, 3.9), sharey=True)
for ax, kind, clothes, digit in zip(panels, kinds, *doubts[0]):
    for name, values in {"clothes": clothes, "digits": digit}.items():
        values = np.sort(values)
        dash, shade = "-" if name == "clothes" else "--", plotting.colour(name, ax)
        ax.plot(values, 1 - np.arange(len(values)) / len(values), dash, color=shade, label=name)
    ax.set(title=kind, xlabel="doubt (nats)", xlim=(-0.03, 2.35))
    ax.yaxis.set_major_formatter("{x:.0%}")
panels[0].set_ylabel("images with at least so much doubt")
panels[0].legend(loc="upper right")
plt.show()

# %% [markdown]
# The two questions have different answers.
#
# - **Mistakes.** The entropy of one usual answer tells them from right answers as well as that of a hundred, and the mutual information does it worst. Most mistakes take one
#   kind of top for another, such as a shirt for a coat. There a single net hesitates already, and the hundred nets hesitate together.
# - **Strangers.** With dropout off, many digits cause hardly any doubt. A hundred masks change that: they see different things in a digit, and their contradiction tells digits from
#   clothes nearly always.
#
# Two warnings. Digits are easy strangers; images that resemble clothes are harder. And doubt is a number without a scale: to turn it into an alarm you need a threshold, and images of both
# kinds to choose it with.
#
# ### Two kinds of doubt
#
# Now the code looks for two test images: the one about which the single answers hesitate most, and the one about which they contradict each other most.

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

# %% tags=["figure"] alt="Two test images, each with a hundred answers beside it. Beside the first, the dots of many classes lie at small probabilities. Beside the second, the dots of several classes spread from 0 to 1."
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
# Look at the first image. Would you be sure what it is? Most of its grey dots lie at small probabilities, in many classes: hardly any of the
# hundred nets is sure. More training images would not make *this* image clearer.
#
# The second image is unusual. Several classes have dots near 1: single nets are sure, each of something else. Here more training
# images of the kind would help. So the second kind of doubt is used to choose the images that a person should label next (*active learning*).
#
# ## Verdicts
#
# The number among the stored outputs of revision e7658ef, the course's own question, and our runs over several seeds on both stacks, in full mode on the real Fashion-MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("12_mc_dropout")

# %% [markdown]
# ## What to take away
#
# - MC dropout is a loop around a trained net with dropout. With batch normalization in the net, switch on the dropout layers only.
# - Do not expect accuracy from it. Compare at the same epoch, or you compare two nets.
# - It makes the probabilities better: the net is nearly as often right as it says. With dropout off the net is far too sure.
# - To notice mistakes among clothes, the entropy of one usual answer is as good. To notice strangers, the contradiction of a hundred nets is much better.
# - The dropout rate sets how large the doubt is. Nothing in the training makes it right: measure it on images that have labels (exercise 3).
#
# **Today** calibration is a subject of its own. Temperature scaling, which divides the inputs of the softmax by one number chosen on the validation set, corrects the confidence; a
# handful of nets trained from different seeds (an *ensemble*) is the method to beat for doubt.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** To save memory, somebody keeps of each of a hundred answers only the class with the highest probability, and counts votes. What is lost?
#
# <details><summary>An answer</summary>
#
# How sure each net was. If all hundred give boot $55\,\%$ and sneaker $45\,\%$, the mean says $55\,\%$ and the votes say $100\,\%$. Votes show only the doubt
# that comes from nets that contradict each other, never the doubt that all of them share. Average probabilities, and decide for a class at the end.
#
# </details>
#
# **2.** Five nets answer the same images. The cross-entropy of their mean answer is never above the mean of their five cross-entropies. Why? Is the same true of
# the share of mistakes?
#
# <details><summary>An answer</summary>
#
# $-\ln$ is convex: $-\ln$ of a mean of numbers is at most the mean of their $-\ln$. With the five probabilities of the true class that holds for each image, and so
# for the mean over the images. For mistakes there is no such law. Three nets can be right by a little and two wrong by much; then the mean is wrong where most of
# the five were right.
#
# </details>
#
# **3.** Half of all images show a cat. A net answers $50\,\%$ to every image. What is its calibration error? What should stand beside this number in a report?
#
# <details><summary>An answer</summary>
#
# Zero: it says $50\,\%$ and is right in half of the cases. Calibration asks whether a net means what it says, not whether it says anything. Beside it belongs a measure that also
# rewards knowing: the cross-entropy, or the accuracy. And a net that is always right but only $80\,\%$ sure has an error of $20\,\%$.
#
# </details>
#
# **4.** You ask the net with dropout on a thousand times instead of a hundred. Does the mutual information of an image become larger, smaller, or neither?
#
# <details><summary>An answer</summary>
#
# Neither, nearly. More samples estimate the same quantities with less noise: the doubt belongs to the net and the dropout rate, not to the number of samples. (With few samples
# the entropy of the mean comes out a little too low, and with it the mutual information.)
#
# </details>

# %% [markdown]
# ## Exercises
#
# The first two have a cell to fill in and a check below it, which tries your code on inputs of its own and answers in a sentence. In the third you predict a result. The solutions are in
# [a notebook of their own](solutions/12_mc_dropout.ipynb); any code that does what the card asks passes.

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
# *20 minutes.* **What.** Write `mutual_information`. `samples[i, j]` holds the probabilities that net $i$ gives the classes for image $j$. For each image: the entropy of
# the nets' mean answer, less the mean of the entropies of their single answers. Natural logarithms. A probability may be exactly 0, and then counts for nothing.
#
# **Why.** An image can be doubtful because it looks like two things; then every net hesitates. Or because it looks like nothing known; then every
# net may be sure of something else. The mean answer can be the same in both cases. This difference tells them apart.


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
# The lesson's net, after three epochs with larger batches. We ask it fifty times about 500 clothes, as many digits, and as many images of random pixels.

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

# %% tags=["solution"] alt="A scatter plot of mutual information against entropy. Images of noise lie near the dashed diagonal, clothes and digits of the same entropy lie lower."
fig, ax = plt.subplots(figsize=(7.2, 4.6))
for name, answers in samples.items():
    doubts = entropy(answers.mean(axis=0), axis=1), mutual_information(answers)
    shade, shape = plotting.colour(name, ax), plotting.marker(name, ax)
    ax.plot(*doubts, shape, color=shade, markersize=4, alpha=0.5, label=name)
ax.plot([0, 1.75], [0, 1.75], "--", color="black", linewidth=1.2, label="contradiction is all of the doubt")
ax.set(xlabel="entropy of the mean answer (nats)", ylabel="mutual information (nats)")
ax.set_title("About noise the nets contradict each other most")
ax.legend()
plt.show()

# %% [markdown] tags=["solution"]
# Noise lies below the dashed line, but not far: most of its doubt is contradiction. Each mask makes the net sure of something else. Clothes of the same entropy lie much
# lower: there each net hesitates by itself. (One net, trained for a short time.)

# %% [markdown] tags=["exercise"]
# ### 2 · The right to be silent
#
# *10 minutes.* **What.** A net may refuse to answer where it is least sure. Write `accuracy_of_the_surest`: the accuracy on the `share` of images with the highest confidence (the
# largest probability). Row `i` of `probabilities` belongs to image `i`, whose true class is `y[i]`. Of `n` images take the `share * n` surest, rounded to a whole number.
#
# **Why.** That is what doubt is for in practice: the doubtful images go to a person. A net whose confidence says nothing gains nothing by being silent.


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
# Both columns rise from top to bottom: where the net is sure, it is more often right, so refusing pays. The two hardly differ. That fits the lesson: for mistakes among clothes one net's own confidence is a good
# guide.

# %% [markdown] tags=["exercise"]
# ### 3 · Predict, run, explain: another rate
#
# *10 minutes.* The net was trained with a dropout rate of `0.2`. The cell below asks it with five rates, fifty times each, and shows how sure the mean answer is (mean confidence) and how
# often it is right.
#
# **Predict:** what does a higher rate do to the confidence, and what to the accuracy? At which of the rates do the two agree best?
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
# The higher the rate, the less sure the mean answer: the masks differ more, so the answers do too, and their mean has no class with nearly all of the probability. The accuracy falls as well, but slowly at first,
# because the mean of many disturbed answers still has its largest value at the right class. So the confidence falls from above the accuracy to far below it. Somewhere
# in between the two agree.
#
# Nothing in the training chose that place. The rate is a number that a person has set, and it sets how large the doubt is. MC dropout is called Bayesian, but whether its probabilities
# are right is a question for images with labels. Choose the rate for it on a validation set, as you would choose a temperature.
#
# </details>

# %% [markdown]
# ## References
#
# - Y. Gal, Z. Ghahramani, *Dropout as a Bayesian Approximation*, 2015, [arXiv:1506.02142](https://arxiv.org/abs/1506.02142): why the scatter means something.
# - C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, *On Calibration of Modern Neural Networks*, 2017,
#   [arXiv:1706.04599](https://arxiv.org/abs/1706.04599): reliability diagrams, and temperature scaling.
# - N. Houlsby and others, *Bayesian Active Learning for Classification and Preference Learning*, 2011,
#   [arXiv:1112.5745](https://arxiv.org/abs/1112.5745): mutual information as a measure of doubt.
# - B. Lakshminarayanan, A. Pritzel, C. Blundell, *Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles*, 2016,
#   [arXiv:1612.01474](https://arxiv.org/abs/1612.01474): a handful of nets instead of masks.
# - Y. Ovadia and others, *Can You Trust Your Model's Uncertainty?*, 2019, [arXiv:1906.02530](https://arxiv.org/abs/1906.02530): MC dropout, ensembles
#   and others, on data that drift away from the training set.
