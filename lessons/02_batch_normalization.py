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

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("02_batch_normalization")

# %% tags=["needed"]
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from course_utils import plotting
from course_utils.data import load_fashion_mnist
from course_utils.training import shuffled

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
# validation; 300, 100 and 10 units, plain gradient descent with a rate of `0.001`, ten epochs. Three nets: without batch normalization;
# with it after each activation, and as the very first layer; with it before each activation.

# %% tags=["needed"]
fashion = lesson.data(load_fashion_mnist(validation=5_000))

x_train, x_valid = fashion.x_train / np.float32(255), fashion.x_valid / np.float32(255)
y_train, y_valid = fashion.y_train, fashion.y_valid


# %% tags=["needed"]
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


# %% tags=["needed"]
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


# %% tags=["needed"]
def compiled(hidden, learning_rate=0.001):
    layers = keras.layers
    net = keras.Sequential(
        [keras.Input((28, 28)), layers.Flatten(), *hidden, layers.Dense(10, activation="softmax")]
    )
    net.compile(
        keras.optimizers.SGD(learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        **lesson.fast,
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
# All three had the same rate, `0.001`. But a normalized layer does not care how large its weights are, so the same rate may move it further (lesson
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

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** You set `layer.trainable = False` on a batch normalization layer of a trained net, and go on training the net. In training mode, which
# statistics does the layer use? Why is that what one wants?
#
# <details><summary>An answer</summary>
#
# The memory, and it does not move. In Keras a frozen batch normalization layer works in inference mode, even if it is called with `training=True`. That is what
# transfer learning wants: the layers above were trained on what the memory gives, and a few small batches of new images would soon
# overwrite it.
#
# </details>
#
# **2.** After fifty steps a net with batch normalization has a good training accuracy, and `evaluate` finds a much lower one on the very same images.
# Nothing is broken. What do you suspect, and how do you test it?
#
# <details><summary>An answer</summary>
#
# The memory has not arrived: with a momentum of `0.99`, after fifty steps more than half of it is still the start, mean 0 and variance 1. Predict a large
# batch with `training=True`, on a copy of the net. If the accuracy is back, the weights are good and only the memory is behind. More steps cure it, or a smaller momentum.
#
# </details>
#
# **3.** The dense layer before a batch normalization has kept its bias. Which gradient does the bias get in training? And where has the bias gone in
# inference?
#
# <details><summary>An answer</summary>
#
# None, but for rounding: the layer's output does not depend on the bias, since every batch takes it away with the mean. In inference it is
# there, and the running mean, measured with the bias in it, takes it away once more. Only while the memory lags behind does the bias show.
#
# </details>
#
# **4.** You train with Adam and set `global_clipnorm` to a hundredth of the length that the gradient has at every step. Do the steps
# become a hundred times shorter?
#
# <details><summary>An answer</summary>
#
# No, they keep about their length. Adam divides an average of the gradients by the root of an average of their squares, and a factor common to all steps
# cancels, but for its small ε. What changes is their relation: all gradients now have the same length, so a large one counts no more
# than a small one. With plain gradient descent every step would indeed be that much shorter.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each has a cell to fill in and a check below it, which tries your code on inputs of its own and answers in a sentence. The solutions are in
# [a notebook of their own](solutions/02_batch_normalization_and_clipping.ipynb); any code that does what the card asks passes.

# %% tags=["given"]
import numpy as np

from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · Clipping as one
#
# *15 minutes.* **What.** Write `clip_together`. It gets a list of gradients, an array for each variable, and a limit. If the length of all
# of them together (the root of the sum of *all* squares) is above the limit, it shortens all by one factor, so that the length is the limit. Otherwise they stay as they
# are. It returns a list of arrays with the same shapes.
#
# **Why.** It is what `global_clipnorm` does, and what papers mean by gradient clipping. Only this form keeps the direction of the step.


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
lesson.set_seed()
net = compiled(plain())
with tf.GradientTape() as tape:
    losses = keras.losses.sparse_categorical_crossentropy(y_train[:32], net(x_train[:32], training=True))
    loss = tf.reduce_mean(losses)
gradients = [gradient.numpy() for gradient in tape.gradient(loss, net.trainable_variables)]


def angle(one, other):
    one, other = (np.concatenate([gradient.ravel() for gradient in many]) for many in (one, other))
    return np.degrees(np.arccos(min(1, one @ other / np.linalg.norm(one) / np.linalg.norm(other))))


# %% tags=["solution"]
ways = {
    "each component": lambda limit: [np.clip(gradient, -limit, limit) for gradient in gradients],
    "each variable": lambda limit: [clip_together([gradient], limit)[0] for gradient in gradients],
    "all together": lambda limit: clip_together(gradients, limit),
}
print("limit  turned by:", "".join(f"{way:>17}" for way in ways))
for limit in (1, 0.1, 0.01, 0.001):
    print(
        f"{limit:5}            ", "".join(f"{angle(gradients, way(limit)):16.1f}°" for way in ways.values())
    )

# %% [markdown] tags=["solution"]
# A limit of 1 cuts no component, for each is small; yet some variables are longer, and clipping them one by one turns the whole. At `0.1` all of
# them are longer than that. They come out equally long, so a still lower limit turns the gradient no further. Clipped together, it keeps its direction
# at any limit.

# %% [markdown] tags=["exercise"]
# ### 2 · Both lives
#
# *25 minutes.* **What.** Write the layer in NumPy, without $\gamma$ and $\beta$, as the class `TwoLives`. Called with `training=True` it normalizes a batch by
# its own mean and variance, and moves its memory as Keras does: `momentum` times the old value, plus the rest times the batch's. Called with
# `training=False` it normalizes by the memory and leaves it as it is. The memory starts at mean 0 and variance 1.
#
# **Why.** Who has written both branches once knows where to look when they disagree.


# %% tags=["exercise"]
class TwoLives:
    """Batch normalization without scale and shift: what it does in training, and what afterwards."""

    def __init__(self, units, momentum=0.99, epsilon=0.001):
        """Start a memory for so many units."""
        ...

    def __call__(self, x, training):
        """Normalize x, of shape (examples, units), in training or in inference mode."""
        ...


# %% tags=["solution"]
class TwoLives:
    """Batch normalization without scale and shift: what it does in training, and what afterwards."""

    def __init__(self, units, momentum=0.99, epsilon=0.001):
        """Start a memory for so many units."""
        self.mean, self.variance = np.zeros(units), np.ones(units)
        self.momentum, self.epsilon = momentum, epsilon

    def __call__(self, x, training):
        """Normalize x, of shape (examples, units), in training or in inference mode."""
        mean, variance = self.mean, self.variance
        if training:
            mean, variance = x.mean(axis=0), x.var(axis=0)
            self.mean = self.momentum * self.mean + (1 - self.momentum) * mean
            self.variance = self.momentum * self.variance + (1 - self.momentum) * variance
        return (x - mean) / np.sqrt(variance + self.epsilon)


# %% tags=["check"]
check("TwoLives")

# %% tags=["solution"]
rng = np.random.default_rng(lesson.seed)
ours, keras_layer = TwoLives(50), keras.layers.BatchNormalization(center=False, scale=False)
for _ in range(100):
    x = rng.normal(3, 2, (32, 50)).astype("float32")
    pairs = {training: (ours(x, training), keras_layer(x, training=training)) for training in (True, False)}
for training, (one, other) in pairs.items():
    agree = np.allclose(one, other, atol=1e-4)
    print(
        f"after 100 batches, with training={training!s:5}: our layer and Keras' agree to four digits: {agree}"
    )

# %% tags=["solution"]
paths = {0.9: [], 0.99: [], 0.999: []}
for momentum, path in paths.items():
    layer = TwoLives(1, momentum)
    for _ in range(600):
        layer(rng.normal(3, 2, (32, 1)), training=True)
        path.append(layer.variance[0])

# %% tags=["solution"]
fig, ax = plt.subplots(figsize=(7.2, 4))
for (momentum, path), shade in zip(paths.items(), plotting.OTHERS):
    ax.plot(range(1, 601), path, color=shade, label=f"momentum={momentum}")
ax.axhline(4 * 31 / 32, color="black", linestyle="--", linewidth=1.5, label="a batch's variance, on average")
ax.set(xlabel="step", ylabel="running variance of one unit", ylim=(0, None))
ax.set_title("A short memory arrives soon, and never settles")
ax.legend(loc="lower right")
plt.show()

# %% [markdown] tags=["solution"]
# A momentum of `0.9` has forgotten the start after some fifty steps, and from then on follows every single batch. With `0.999` hardly anything scatters, and the
# memory is still far from the truth when the figure ends. Keras' `0.99` stands between. A short training wants a smaller momentum; a long one can afford a larger.

# %% [markdown] tags=["exercise"]
# ### 3 · Folded away
#
# *20 minutes.* **What.** In inference a batch normalization right after a dense layer (before the activation) multiplies and adds with numbers that are
# fixed. So the two are one dense layer. Write `folded`, which gives its kernel and its bias: for every $x$, $x\,w_{\text{new}} + b_{\text{new}}$ is
# $\gamma\,(x\,w + b - \mu)/\sqrt{\sigma^2 + \varepsilon} + \beta$.
#
# **Why.** Nets are shipped this way: fewer layers, and the same answers.


# %% tags=["exercise"]
def folded(kernel, bias, gamma, beta, mean, variance, epsilon):
    """The kernel, (inputs, units), and the bias, (units,), that stand for a dense layer and its normalization."""
    ...


# %% tags=["solution"]
def folded(kernel, bias, gamma, beta, mean, variance, epsilon):
    """The kernel, (inputs, units), and the bias, (units,), that stand for a dense layer and its normalization."""
    scale = gamma / np.sqrt(variance + epsilon)  # one number for each unit, so for each column
    return kernel * scale, (bias - mean) * scale + beta


# %% tags=["check"]
check("folded")

# %% tags=["solution"]
lesson.set_seed()
net = compiled(before_the_activation(), learning_rate=0.01)
net.fit(shuffled(x_train[:12_800], y_train[:12_800], 32), epochs=1, verbose=0)

_, at_the_input, dense1, norm1, _, dense2, norm2, _, output = net.layers
bare1, bare2 = keras.layers.Dense(300, "relu"), keras.layers.Dense(100, "relu")
bare = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), at_the_input, bare1, bare2, output])
for dense, norm, new in [(dense1, norm1, bare1), (dense2, norm2, bare2)]:
    no_bias = np.zeros(dense.units)
    new.set_weights(list(folded(dense.get_weights()[0], no_bias, *norm.get_weights(), norm.epsilon)))

# %% tags=["solution"]
images = x_valid[:1000]
answers = bare(images, training=False).numpy()
print(f"layers: {len(net.layers)} before folding, {len(bare.layers)} after")
for training in (False, True):
    difference = np.abs(net(images, training=training).numpy() - answers).max()
    print(f"with training={training!s:5} their probabilities differ by {difference:.7f} at most")

# %% [markdown] tags=["solution"]
# In inference the five layers say what the nine say, up to rounding. In training mode the nine look at their batch, and nothing fixed can stand in for that:
# fold only after the last step. The layer at the input is left. It could be folded into the dense layer after it, row by row.

# %% [markdown]
# ## References
#
# - S. Ioffe, C. Szegedy, *Batch Normalization*, 2015, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167): the layer, before the activation.
# - R. Pascanu, T. Mikolov, Y. Bengio, *On the difficulty of training recurrent neural networks*, 2012,
#   [arXiv:1211.5063](https://arxiv.org/abs/1211.5063): clipping by norm, and why.
# - Y. Wu, J. Johnson, *Rethinking “Batch” in BatchNorm*, 2021, [arXiv:2105.07576](https://arxiv.org/abs/2105.07576): everything that can go
#   wrong between the two modes.
