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
# # 02 · Batch normalization and gradient clipping
#
# Good starting weights keep a signal at the right size until training moves them. Batch normalization keeps it there: it
# measures the signal in every batch and puts it right. The price is a layer with two lives. In training it looks at
# the batch, afterwards at its memory; most bugs with batch normalization are mix-ups between the two. Clipping is the
# simpler remedy for gradients that explode, and also less simple than it looks.
#
# | | |
# |---|---|
# | **You will learn** | what batch normalization remembers, and when the memory is wrong · to tell training mode from inference mode by their numbers · where to put the layer and why the bias before it goes · to clip a gradient without turning it |
# | **You need** | lesson 01; a dense net in Keras |
# | **Reproduces** | *Training Deep Neural Networks*, part B: batch normalization and gradient clipping (chapter 11 of A. Géron's *Hands-On Machine Learning*, notebook of the second edition) |
# | **The idea** | Ioffe & Szegedy 2015, [*Batch Normalization*](https://arxiv.org/abs/1502.03167) · Pascanu, Mikolov & Bengio 2012, [*On the difficulty of training recurrent neural networks*](https://arxiv.org/abs/1211.5063) (clipping) |
# | **Time** | in full mode as it says above; in quick mode (`COURSE_MODE=quick`) under a minute |

# %%
from course_utils.lesson import FAST, Lesson

lesson = Lesson("02_batch_normalization_and_clipping")

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from course_utils import plotting
from course_utils.batches import shuffled
from course_utils.data import load_fashion_mnist

# %% [markdown]
# ## A layer with two lives
#
# For each unit, batch normalization subtracts a mean $\mu$, divides by a standard deviation, and then scales and shifts by
# what it has learned:
#
# $$y = \gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta .$$
#
# In training, $\mu$ and $\sigma^2$ are those of the batch. But a net in use gets one image at a time, and an image alone is its own
# mean. So the layer keeps running averages of what it saw in training, and uses them later. (Lesson 04 derives the
# gradient; lesson 03 asks which values should share a mean.)

# %% tags=["nbval-check-output"]
layer = keras.layers.BatchNormalization()
layer.build((None, 3))
for variable in layer.variables:
    print(f"{variable.name.split('/')[-1].split(':')[0]:16} {'trained' if variable.trainable else 'kept'}")

# %% [markdown]
# Two of its four variables are trained by gradients. The other two are only kept up to date: with every batch *in training mode*
# they move by one hundredth (`momentum=0.99`) towards that batch's values. **From where do they start, and how long
# does it take them to arrive?** We feed the layer with batches of random numbers of mean 3 and variance 4, and watch.


# %%
def memory(batch_size, steps=600):
    """The running mean and variance after every step, averaged over 50 units."""
    layer = keras.layers.BatchNormalization()
    layer.build((None, 50))
    see = tf.function(lambda x: layer(x, training=True))
    rng = np.random.default_rng(lesson.seed)
    found = []
    for _ in range(steps):
        see(tf.constant(rng.normal(3, 2, (batch_size, 50)), tf.float32))
        found.append([layer.moving_mean.numpy().mean(), layer.moving_variance.numpy().mean()])
    return np.transpose(found)


# %%
memories = {size: memory(size) for size in (2, 8, 32)}

# %% tags=["figure"]
fig, panels = plt.subplots(1, 2, figsize=(10.4, 4))
shades = {2: "#D55E00", 8: "#E69F00", 32: "#0072B2"}
for size, found in memories.items():
    for ax, values in zip(panels, found):
        ax.plot(np.arange(1, len(values) + 1), values, color=shades[size], label=f"batches of {size}")
for ax, truth, title in zip(panels, (3, 4), ("The running mean", "The running variance")):
    ax.axhline(truth, color="black", linestyle="--", linewidth=1.5, label="the truth")
    ax.set(title=title, xlabel="step", ylim=(0, None))
panels[0].legend(loc="lower right")
plt.show()

# %% tags=["nbval-check-output"]
for size, (mean, variance) in memories.items():
    print(f"batches of {size:2}: after 600 steps mean {mean[-1]:.1f}, variance {variance[-1]:.1f}")

# %% [markdown]
# They start at mean 0 and variance 1, whatever the data, and need some hundred steps to forget that. A short training is over before
# (lesson 03 measures what it costs).
#
# And one line never arrives. With batches of two the variance settles at *half* the truth. A batch's variance is taken around the
# batch's own mean, which makes it too small by $(n-1)/n$ on average: nothing to speak of at 32, one half at two. In training the
# layer divides by the small one, batch by batch; later too, but by an average. PyTorch corrects its running variance for this, Keras
# does not.
#
# ### From Keras 2 to Keras 3: `updates`
#
# The chapter asks a layer for its list of `updates`, the operations that keep the running averages. TensorFlow 2 runs them by itself in
# training mode, and the list is gone. To see the update today, call the layer and look:

# %% tags=["nbval-check-output"]
layer = keras.layers.BatchNormalization()
x = np.array([[10.0], [30.0]], "float32")
layer(x, training=True)
print("after one batch of mean 20:   running mean", round(float(layer.moving_mean.numpy()[0]), 3))
layer(x, training=False)
print("after one more, in inference: running mean", round(float(layer.moving_mean.numpy()[0]), 3))

# %% [markdown]
# ## The task and three nets
#
# Fashion-MNIST, unscaled in the chapter's words (pixels divided by 255, not standardized), the first 5,000 training images for
# validation; 300, 100 and 10 units, plain gradient descent with a rate of 0.001, ten epochs. Three nets: without batch normalization;
# with it after each activation, and as the very first layer; with it before each activation.

# %%
fashion = lesson.data(load_fashion_mnist(validation=5_000))

x_train, x_valid = fashion.x_train / np.float32(255), fashion.x_valid / np.float32(255)
y_train, y_valid = fashion.y_train, fashion.y_valid


# %%
def plain():
    layers = keras.layers
    return [layers.Dense(300, "relu"), layers.Dense(100, "relu")]


def after_the_activation():
    layers = keras.layers
    return [
        layers.BatchNormalization(),
        layers.Dense(300, "relu"),
        layers.BatchNormalization(),
        layers.Dense(100, "relu"),
        layers.BatchNormalization(),
    ]


# %% [markdown]
# Before the activation, the dense layer needs no bias: whatever it adds to every example, the subtraction of the mean takes away again, and
# $\beta$ takes its place. That saves 400 weights which would never change anything. Is it so?

# %% tags=["nbval-check-output"]
layer = keras.layers.BatchNormalization()
sums = np.random.default_rng(0).normal(size=(32, 5)).astype("float32")
with_bias = layer(sums + 100, training=True)
print("a bias of 100 changes the output:", not np.allclose(layer(sums, training=True), with_bias, atol=1e-3))


# %%
def before_the_activation():
    layers = keras.layers
    return [
        layers.BatchNormalization(),
        layers.Dense(300, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.Dense(100, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
    ]


# %%
def compiled(hidden, learning_rate=0.001):
    layers = keras.layers
    net = keras.Sequential(
        [keras.Input((28, 28)), layers.Flatten(), *hidden, layers.Dense(10, activation="softmax")]
    )
    net.compile(
        keras.optimizers.SGD(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"], **FAST
    )
    return net


# %% tags=["nbval-check-output"]
for hidden in (plain, after_the_activation, before_the_activation):
    net = compiled(hidden())
    trained, kept = (
        sum(int(np.prod(w.shape)) for w in weights)
        for weights in (net.trainable_weights, net.non_trainable_weights)
    )
    print(f"{hidden.__name__.replace('_', ' '):22} {trained} weights trained, {kept} kept")

# %% [markdown]
# Each normalization layer has four numbers for every input it gets: two trained ($\gamma$ and $\beta$), two kept (the running mean and variance).
# Layer by layer, for the second net:

# %%
compiled(after_the_activation()).summary()

# %% [markdown]
# **Which of the three do you expect to be ahead after ten epochs? Does the place matter?**


# %%
def fit(net, label):
    return net.fit(
        shuffled(x_train, y_train, 32),
        epochs=lesson.epochs(10),
        validation_data=(x_valid, y_valid),
        verbose=0,
        callbacks=[lesson.progress(label)],
    )


# %%
nets, histories = {}, {}
labels = {
    "plain": plain,
    "batch normalization": after_the_activation,
    "batch normalization, before the activation": before_the_activation,
}
for label, hidden in labels.items():
    lesson.set_seed()
    nets[label] = compiled(hidden())
    histories[label] = fit(nets[label], label)

# %% tags=["figure"]
ax = plotting.learning_curves(histories, training=False)
ax.set_title("Validation accuracy: the normalized nets are ahead from the first epoch")
lesson.save_figure(ax.figure, "validation-accuracy")
plt.show()

# %%
final = {label: history.history["val_accuracy"][-1] for label, history in histories.items()}
for label, accuracy in final.items():
    print(f"{label:44} validation accuracy {accuracy:.4f}")

without, after, before = final.values()
lesson.record("S5.cB1", val_accuracy=after)
lesson.record("S5.cB2", val_accuracy=before)
lesson.record("S5.cB3", after=after, before=before, without=without)

# %% [markdown]
# Both normalized nets lead from the first epoch on, and keep leading, though the gap closes. Where the layer stands matters less than
# that it is there: the place after the activation is a little ahead here, while the paper puts it before. Do not make a rule of it.
#
# ### Worth a second look: a better net, or a longer step?
#
# All three had the same rate, 0.001. But a normalized layer does not care how large its weights are, so the same rate may move it further (lesson
# 04 derives by how much). A fair opponent may choose its own rate. The plain net once more, with ten times the rate. **Will it
# catch up?**

# %%
lesson.set_seed()
net = compiled(plain(), learning_rate=0.01)
faster = {"plain, rate 0.01": fit(net, "plain, with ten times the rate")}

# %% tags=["figure"]
ax = plotting.learning_curves(histories | faster, training=False)
ax.set_title("With ten times the rate, the plain net keeps up")
plt.show()

# %%
print(f"plain, rate 0.001    {final['plain']:.4f}")
print(f"plain, rate 0.01     {faster['plain, rate 0.01'].history['val_accuracy'][-1]:.4f}")
print(f"batch normalization  {final['batch normalization']:.4f}")

# %% [markdown]
# It does. On this shallow net most of what looked like a better net was a longer step, and the plain net takes that step for the asking. So the claim holds
# as it is printed, at one shared rate, and tells less than it seems to. What normalization gives is peace of mind: it is at home over a wide range of rates, and in deep
# nets it holds the signal together where weights alone no longer do (lesson 01's hundred layers would be the place to try).
#
#
# ### Worth a second look: which of its two lives are you looking at?
#
# Keras switches a layer's mode for you: `fit` trains, `evaluate` and `predict` do not. Whoever calls the net directly has to say it
# (`net(x, training=True)`), and whoever forgets gets numbers that look fine. We take the trained net and let it predict the
# validation images both ways; in training mode, in batches of different sizes. (A copy of it: in training mode each look
# moves its memory.)


# %%
def accuracy_in_training_mode(net, size):
    copy = keras.models.clone_model(net)
    copy.set_weights(net.get_weights())
    predict = tf.function(lambda images: tf.argmax(copy(images, training=True), axis=1))
    n = min(len(x_valid), 1000 * size) // size * size
    answers = [predict(batch) for batch in tf.split(x_valid[:n], n // size)]
    return np.mean(np.concatenate(answers) == y_valid[:n])


# %%
net = nets["batch normalization"]
settled = net.evaluate(x_valid, y_valid, batch_size=250, verbose=0)[1]
sizes = [2**k for k in range(9)]
accuracies = [accuracy_in_training_mode(net, size) for size in sizes]

# %% tags=["figure", "cover"]
fig, ax = plt.subplots(figsize=(7.2, 4))
green = plotting.colour("batch normalization")
ax.plot(sizes, accuracies, "D-", color=green, label="training mode: the batch's statistics")
ax.axhline(settled, color="black", linestyle="--", label="inference mode: the memory")
ax.set_xscale("log", base=2)
ax.set_xticks(sizes, sizes)
ax.set(xlabel="images predicted together", ylabel="validation accuracy", ylim=(0, 1))
ax.set_title("The same trained net in its two modes")
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# In inference mode it does not matter how many images are predicted together. In training mode everything depends on it. An image
# alone is its own mean: the subtraction leaves nothing of it, every image gets the same answer, and one in ten is right by chance. Two at a
# time see each other as the world. From some sixteen on, a batch is nearly as good a guess as the memory.
#
# Keep the shape of this curve. A net whose answers depend on *what else is in the batch* has been left in training mode.
#
# ## Clipping
#
# Batch normalization keeps activations in bounds. Where it does not fit, in recurrent nets above all, one bounds the gradients
# instead: no step may be longer than so much. An optimizer takes it as an argument, and there are two forms.

# %% tags=["nbval-check-output"]
gradient = np.array([0.9, 100.0], "float32")
for clip in (dict(clipvalue=1.0), dict(clipnorm=1.0)):
    weights = tf.Variable([0.0, 0.0])
    optimizer = keras.optimizers.SGD(1.0, **clip)
    optimizer.apply_gradients([(tf.constant(gradient), weights)])
    print(f"{clip}: a gradient of (0.9, 100) becomes ({-weights.numpy()[0]:.4f}, {-weights.numpy()[1]:.4f})")

# %% [markdown]
# `clipvalue` cuts each component by itself. The gradient pointed almost straight up, and what is left points halfway between the two axes.
# `clipnorm` shortens the whole and keeps the direction, and with it the first component nearly disappears. Neither
# is wrong; but they are different methods. Here is what both do to gradients from all around.


# %%
def clipped(gradients, **clip):
    found = []
    for gradient in gradients:
        weights = tf.Variable([0.0, 0.0])
        keras.optimizers.SGD(1.0, **clip).apply_gradients([(tf.constant(gradient, tf.float32), weights)])
        found.append(-weights.numpy())
    return np.array(found)


angles = np.radians(np.arange(10, 370, 30))
around = 2.2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
results = {
    "clipvalue=1.0": clipped(around, clipvalue=1.0),
    "clipnorm=1.0": clipped(around, clipnorm=1.0),
}

# %% tags=["figure"]
fig, panels = plt.subplots(1, 2, figsize=(9.6, 4.9), sharex=True, sharey=True)
for ax, (title, after_clipping) in zip(panels, results.items()):
    bound = (
        plt.Rectangle((-1, -1), 2, 2, fill=False, linestyle="--")
        if "value" in title
        else plt.Circle((0, 0), 1, fill=False, linestyle="--")
    )
    ax.add_patch(bound)
    for before_clipping, after_ in zip(around, after_clipping):
        ax.annotate("", before_clipping, (0, 0), arrowprops=dict(arrowstyle="->", color="#BBBBBB", lw=1.5))
        ax.annotate("", after_, (0, 0), arrowprops=dict(arrowstyle="->", color="#D55E00", lw=2))
        ax.plot(*zip(before_clipping, after_), ":", color="#888888", linewidth=1)
    ax.set(title=title, aspect="equal", xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), xlabel="first component")
panels[0].set_ylabel("second component")
plt.show()

# %%
for name, after_clipping in results.items():
    lengths = np.linalg.norm(around, axis=1) * np.linalg.norm(after_clipping, axis=1)
    cosine = np.sum(around * after_clipping, axis=1) / lengths
    print(f"{name}: turned by {np.degrees(np.arccos(np.minimum(cosine, 1))).max():.1f}° at most")

# %% [markdown]
# ### Worth a second look: whose norm?
#
# `clipnorm=1.0` keeps the direction of *each variable's* gradient. A net has many variables, and each is clipped by itself: a large gradient
# in one layer is shortened, a small one in another is not, and the gradient of the whole net turns after all. To keep that one's direction
# there is `global_clipnorm`.

# %% tags=["nbval-check-output"]
large, small = np.array([30.0, 40.0], "float32"), np.array([0.3, 0.4], "float32")
for clip in (dict(clipnorm=1.0), dict(global_clipnorm=1.0)):
    weights = [tf.Variable([0.0, 0.0]), tf.Variable([0.0, 0.0])]
    keras.optimizers.SGD(1.0, **clip).apply_gradients(zip([tf.constant(large), tf.constant(small)], weights))
    lengths = [float(tf.norm(w)) for w in weights]
    print(f"{clip}: lengths 50 and 0.5 become {lengths[0]:.3f} and {lengths[1]:.3f}")

# %% [markdown]
# With `clipnorm`, two gradients of which one was a hundred times the other end up at one to one half. Most code that says “gradient clipping” in
# papers means the global form.

# %% [markdown]
# ## Verdicts
#
# What the chapter says and a published run of its notebook prints, measured over several seeds on two software stacks, in full
# mode on the real Fashion-MNIST.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("02_batch_normalization_and_clipping")

# %% [markdown]
# ## What to take away
#
# - Batch normalization has two modes and a memory. The memory starts at mean 0 and variance 1, needs a few hundred steps, and with
#   tiny batches it settles at too small a variance.
# - Say which mode you mean whenever you call a net directly.
# - A dense layer before batch normalization needs no bias.
# - `clipvalue` turns a gradient, `clipnorm` turns the net's gradient, `global_clipnorm` turns neither.
#
# **Today** batch normalization is still the standard in convolutional nets; transformers use layer normalization, which has one life only, and
# clip by the global norm.
#
# ## Exercises
#
# 1. **Momentum** (10 minutes). In `memory`, build the layer with `momentum=0.9`. What gets better, what gets worse? *Check:* with batches of 32
#    the running variance is within a tenth of the truth after 60 steps.
# 2. **A frozen layer** (15 minutes). Set `layer.trainable = False` on a batch normalization layer and call it with `training=True`. Which
#    statistics does it use? Why is that what you want in transfer learning? *Check:* the running mean does not move.
# 3. **The angle** (20 minutes). Train the plain net with `clipnorm=0.1` and with `global_clipnorm=0.1` and record, step by step, the cosine
#    between the whole gradient before and after clipping. *Check:* for the second it is 1 to six digits.
#
# ## References
#
# - S. Ioffe, C. Szegedy, *Batch Normalization*, 2015, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167): the layer, before the activation.
# - R. Pascanu, T. Mikolov, Y. Bengio, *On the difficulty of training recurrent neural networks*, 2012,
#   [arXiv:1211.5063](https://arxiv.org/abs/1211.5063): clipping by norm, and why.
# - Y. Wu, J. Johnson, *Rethinking “Batch” in BatchNorm*, 2021, [arXiv:2105.07576](https://arxiv.org/abs/2105.07576): everything that can go
#   wrong between the two modes.
