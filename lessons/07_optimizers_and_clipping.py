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
# # 07 · Faster optimizers
#
# Plain gradient descent asks one question: which way is down? Every optimizer since has added a memory to it. Some remember where they were
# going, some remember how steep each direction has been, some both. We let them run down the same ravine, where you can see what each memory does, and then
# race them on a net, each at its own best rate.
#
# | | |
# |---|---|
# | **You will learn** | what each optimizer adds, in one line · to see it on a surface of two weights · to compare optimizers without favouring one: a rate of its own for each, chosen on validation images |
# | **You need** | a dense net in Keras; gradients |
# | **Reproduces** | *Training Deep Neural Networks*, part D: faster optimizers (chapter 11 of A. Géron's *Hands-On Machine Learning*, notebook of the second edition; it constructs them and measures nothing, so there is no claim to check) |
# | **The ideas** | Polyak 1964 (momentum) · Nesterov 1983 · Duchi and others 2011, [*Adagrad*](https://jmlr.org/papers/v12/duchi11a.html) · Hinton 2012, [*RMSprop*](https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf) · Kingma & Ba 2014, [*Adam*](https://arxiv.org/abs/1412.6980) · Dozat 2016, *Nadam* |
# | **Time** | in full mode as it says above; in quick mode (`COURSE_MODE=quick`) under a minute |

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("07_optimizers_and_clipping")

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from matplotlib.ticker import MaxNLocator
from scipy import stats

from course_utils.data import load_fashion_mnist
from course_utils.training import progress_bar, restart, shuffled

# %% [markdown]
# ## One line each
#
# With $g$ the gradient at the weights $w$, $\eta$ the rate, and all operations on vectors taken component by component:
#
# | | what it remembers | the step |
# |---|---|---|
# | gradient descent | nothing | $w \leftarrow w - \eta g$ |
# | momentum | where it was going | $m \leftarrow \beta m - \eta g,\quad w \leftarrow w + m$ |
# | Nesterov | the same, but asks for the gradient further on | $g$ taken at $w + \beta m$ |
# | Adagrad | how steep it has been, for ever | $s \leftarrow s + g^2,\quad w \leftarrow w - \eta g/\sqrt{s}$ |
# | RMSprop | how steep it has been lately | $s \leftarrow \rho s + (1-\rho) g^2$ |
# | Adam | both, corrected for their start | $w \leftarrow w - \eta\, \hat m/\sqrt{\hat s}$ |
# | Adamax | the largest steepness instead of the mean | $s \leftarrow \max(\beta_2 s, \lvert g\rvert)$ |
# | Nadam | Adam, looking ahead like Nesterov | |
#
# In Keras:

# %%
optimizers = {
    "gradient descent": lambda lr: keras.optimizers.SGD(lr),
    "momentum": lambda lr: keras.optimizers.SGD(lr, momentum=0.9),
    "Nesterov": lambda lr: keras.optimizers.SGD(lr, momentum=0.9, nesterov=True),
    "Adagrad": lambda lr: keras.optimizers.Adagrad(lr),
    "RMSprop": lambda lr: keras.optimizers.RMSprop(lr, rho=0.9),
    "Adam": lambda lr: keras.optimizers.Adam(lr, beta_1=0.9, beta_2=0.999),
    "Adamax": lambda lr: keras.optimizers.Adamax(lr, beta_1=0.9, beta_2=0.999),
    "Nadam": lambda lr: keras.optimizers.Nadam(lr, beta_1=0.9, beta_2=0.999),
}

# %% [markdown]
# ## A ravine
#
# Two weights and a long narrow valley: fifty times steeper across than along. Down the walls is easy, along the floor is where the goal lies.
# It is no more than a net of one linear unit without a bias, and two examples, which want to become zero. The first is small and the second
# is large; hence the different slopes.

# %%
examples, targets = np.diag([0.2, 2**0.5]), np.zeros((2, 1))


def loss_at(w):
    return 0.5 * (0.04 * w[0] ** 2 + 2.0 * w[1] ** 2)


def one_unit(optimizer):
    net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    net.compile(optimizer, "mse")
    return net


# %% tags=["nbval-check-output"]
net = one_unit("sgd")
net.set_weights([np.array([[-9.0], [1.6]])])
print("its loss at (-9, 1.6):", round(float(net.evaluate(examples, targets, verbose=0)), 4))
print("by the formula:       ", round(loss_at((-9.0, 1.6)), 4))

# %% [markdown]
# A rate that suits one would be a handicap for another. So each optimizer gets, of twenty-five rates, the one that takes it deepest in
# sixty steps without ever leaving the picture. **Before you look:** which will zigzag, which will overshoot, which will slow down, and which will walk straight?


# %%
def walk(net, rate, steps=60):
    """The weights after every step, from the same start."""
    restart(net, lesson.seed).set_weights([np.array([[-9.0], [1.6]])])
    net.optimizer.learning_rate = float(rate)
    path = [net.get_weights()[0]]
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: path.append(net.get_weights()[0])
    )
    both = tf.data.Dataset.from_tensors((examples, targets)).repeat(steps)
    net.fit(both, verbose=0, callbacks=[note])
    return np.squeeze(path).astype(float)


def depth(path):
    """The loss at the end, for a walk that stayed in the valley."""
    return loss_at(path[-1]) if (np.abs(path) <= [10.0, 2.6]).all() else np.inf


# %%
rates = np.geomspace(1e-3, 1e1, 3 if lesson.quick else 25)
paths, best_rate = {}, {}
for name, make in progress_bar(optimizers.items(), f"the ravine, {len(rates)} rates each", unit="optimizer"):
    net = one_unit(make(0.01))
    tried = {rate: walk(net, rate) for rate in rates}
    best_rate[name] = min(rates, key=lambda rate: depth(tried[rate]))
    paths[name] = tried[best_rate[name]]

# %% tags=["figure", "cover"]
fig, panels = plt.subplots(2, 4, figsize=(12.5, 5.6), sharex=True, sharey=True)
across, along = np.meshgrid(np.linspace(-10, 3, 200), np.linspace(-2.6, 2.6, 200))
for ax, (name, path) in zip(panels.flat, paths.items()):
    heights = loss_at((across, along))
    ax.contour(across, along, heights, levels=np.geomspace(0.01, 8, 10), colors="#BBBBBB", linewidths=0.8)
    ax.plot(*path.T, "o-", color="#0072B2", markersize=3, linewidth=1.2)
    ax.plot(*path[0], "s", color="black", markersize=6)
    ax.plot(0, 0, "*", color="#D55E00", markersize=14)
    ax.set_title(f"{name}, η = {best_rate[name]:.2g}", fontsize=11)
    ax.set(xlim=(-10, 3), ylim=(-2.6, 2.6))
    ax.grid(False)
for ax in panels[1]:
    ax.set_xlabel("along the valley")
for ax in panels[:, 0]:
    ax.set_ylabel("across")
lesson.save_figure(fig, "ravine")
plt.show()

# %%
print("loss after   10 steps   30 steps   60 steps")
for name, path in paths.items():
    print(f"{name:17}" + "".join(f"{loss_at(path[step]):11.1e}" for step in (10, 30, 60)))

# %% [markdown]
# Gradient descent has to choose a rate that the steep walls allow, and crawls along the floor with it. Momentum gathers speed along the floor, and sways while it does;
# Nesterov looks where it is about to go, and sways less. The adaptive ones divide each direction by its own steepness, so that both weights set off at the same pace,
# and a rate well above 1 does no harm. Those that also carry momentum shoot past the goal and circle back.
#
# And Adagrad wins? Sixty steps on a smooth bowl are its home: that it remembers every gradient for ever, and so takes ever shorter steps, has no time to hurt. This valley also runs along
# an axis, which is what a rate for each weight is made for; exercise 3 turns it. A ravine explains what a memory does. It does not say who is best.
#
# ## The race
#
# A ravine is not a net. On Fashion-MNIST, 300-100-10 units with ReLU, batches of 64, four epochs of 12,800 images, two hundred steps each. First each optimizer trains once with
# each of nine rates, and keeps the one with the lowest loss on the *validation* images. At that rate it then starts from five other seeds, and is measured on
# the test images, which had no say in the choice. (The search is as long as the race: the best rate for a short run is not the best for a long one.)

# %%
fashion = lesson.data(load_fashion_mnist(validation=5_000))

# As tensors, for TensorFlow would copy an array for each of a hundred trainings.
x_train, x_valid, x_test = (
    tf.constant(x / np.float32(255)) for x in (fashion.x_train[:12_800], fashion.x_valid, fashion.x_test)
)
y_train, y_valid, y_test = (
    tf.constant(y) for y in (fashion.y_train[:12_800], fashion.y_valid, fashion.y_test)
)


# %%
def compiled(optimizer):
    layers = keras.layers
    net = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(300, activation="relu", kernel_initializer="he_normal"),
            layers.Dense(100, activation="relu", kernel_initializer="he_normal"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    # XLA would need longer to compile eight nets than quick mode to train them.
    fast = lesson.fast | {"jit_compile": not lesson.quick}
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **fast)
    return net


# %% [markdown]
# One compiled net for each optimizer serves all its trainings: `restart` puts it back to the start, and the rate is a variable that can be
# assigned.

# %%
nets = {name: compiled(make(0.01)) for name, make in optimizers.items()}


def trained(name, rate, seed):
    net = restart(nets[name], seed)
    net.optimizer.learning_rate = float(rate)
    return net.fit(
        shuffled(x_train, y_train, 64),
        epochs=lesson.epochs(4),
        validation_data=(x_valid, y_valid),
        validation_batch_size=250,
        verbose=0,
    ).history


# %%
candidates = [0.01] if lesson.quick else np.geomspace(1e-4, 1, 9)
plan = [(name, rate) for name in nets for rate in candidates]
searched = {}
for name, rate in progress_bar(plan, f"every optimizer at {len(candidates)} rates", unit="training"):
    loss = trained(name, rate, lesson.seed)["val_loss"][-1]
    searched.setdefault(name, []).append(loss if np.isfinite(loss) else np.inf)
chosen = {name: candidates[np.argmin(losses)] for name, losses in searched.items()}

# %% tags=["figure"]
fig, ax = plt.subplots(figsize=(8, 4.6))
palette = ["#595959", "#0072B2", "#56B4E9", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#000000"]
markers = "osDvP^X*"
for (name, losses), shade, marker in zip(searched.items(), palette, markers):
    ax.plot(candidates, losses, color=shade, marker=marker, label=name)
ax.set(xscale="log", xlabel="learning rate", ylabel="validation loss after four epochs", ylim=(0.3, 2.4))
ax.set_title("Each has a best rate of its own")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# Look at the widths as well as the lowest points: an optimizer that does well over two decades of rates saves you the search.

# %%
seeds = [10 * lesson.seed + i for i in range(2 if lesson.quick else 5)]
plan = [(name, seed) for name in nets for seed in seeds]
curves, accuracy = {}, {}
for name, seed in progress_bar(plan, "the race, every seed", unit="training"):
    curves.setdefault(name, []).append(trained(name, chosen[name], seed)["loss"])
    accuracy.setdefault(name, []).append(nets[name].evaluate(x_test, y_test, batch_size=250, verbose=0)[1])

# %% tags=["figure"]
fig, (left, right) = plt.subplots(1, 2, figsize=(11.5, 4.6), width_ratios=[1, 1.1])
for row, (name, shade, marker) in enumerate(zip(curves, palette, markers)):
    mean = np.mean(curves[name], axis=0)
    left.plot(np.arange(1, len(mean) + 1), mean, color=shade, marker=marker, label=name)
    right.plot(accuracy[name], [row] * len(seeds), marker, color=shade, markersize=7)
    right.plot([np.mean(accuracy[name])] * 2, [row - 0.3, row + 0.3], color=shade)
left.xaxis.set_major_locator(MaxNLocator(integer=True))
left.set(xlabel="epoch", ylabel="training loss, mean over the seeds", title="How fast")
right.set_yticks(range(len(curves)), [f"{name}, η = {chosen[name]:.2g}" for name in curves])
right.invert_yaxis()
right.set(xlabel="test accuracy; each mark a seed, the line their mean", title="How far")
lesson.save_figure(fig, "race")
plt.show()

# %%
print("                          rate   test accuracy      sd   ahead of gradient descent, 95 % interval")
for name, values in accuracy.items():
    lead = np.subtract(values, accuracy["gradient descent"])
    half = stats.t.ppf(0.975, len(lead) - 1) * lead.std(ddof=1) / np.sqrt(len(lead))
    interval = f"{lead.mean() - half:+.4f} to {lead.mean() + half:+.4f}" if lead.any() else ""
    print(f"{name:20}{chosen[name]:10.2g}{np.mean(values):16.4f}{np.std(values, ddof=1):8.4f}   {interval}")

# %% [markdown]
# Memory pays, most of the time: at their best rates nearly all the others leave plain gradient descent behind, on average. By more than chance explains? Look at the
# intervals: some lie above zero, others reach across it. Among themselves the marks overlap, and five seeds cannot rank them. Whoever prints a ranking from one seed prints the seed.
#
# Compare the two panels, too. The order on the left is not that on the right: how fast and how far are two questions. And
# look back at the search. Gradient descent wants a rate a hundred times that of Adam and more, so a comparison at a shared rate would have been decided before it began.
#
# ## What to take away
#
# - Every optimizer is gradient descent with a memory: of directions, of steepness, or of both.
# - Compare optimizers each at its own best rate, chosen on images that do not decide the result. At a shared rate you compare the rate.
# - Adaptive steps make the choice of the rate easier more than they make the result better.
#
# **Today** AdamW (Adam with decoupled weight decay) is the usual first choice, gradient descent with momentum and a good schedule (lesson 08) still often the
# last one.

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** The gradient stays the same for many steps. How long do the steps of momentum become, with $\beta=0.9$, and what does that say about a race
# in which gradient descent and momentum get the same rate?
#
# <details><summary>An answer</summary>
#
# They grow until $m = \beta m - \eta g$, which is $m = -\eta g/(1-\beta)$: ten times the step of gradient descent. At a shared rate, then, momentum
# walks with up to ten times the rate of its rival where the ground is even, and the race compares rates. Look at what the search chose for the
# two.
#
# </details>
#
# **2.** Somebody sums the loss over the images of a batch of 64 where it used to be the mean. Which of the eight need another rate, and which
# hardly notice?
#
# <details><summary>An answer</summary>
#
# Every gradient is 64 times larger. Gradient descent, momentum and Nesterov make steps in proportion to it and need a rate 64 times
# smaller. The others divide by the size of past gradients, which has grown by the same factor, so their steps stay as they were, but for the
# small ε in the denominator, and, in Adagrad, what its sum starts with.
#
# </details>
#
# **3.** Adagrad wins in the ravine. What would you expect of it in a training of a million steps, and what does RMSprop do otherwise? What does
# RMSprop lose by that?
#
# <details><summary>An answer</summary>
#
# Adagrad's $s$ only grows. With gradients that keep their size its steps shrink like one over the root of the number of steps, and it may stop long
# before it arrives. RMSprop forgets, so its steps keep their length. Hence they do not get short near the goal either, and it needs a
# schedule that makes them so.
#
# </details>
#
# **4.** To keep weights small you can add $\frac{\lambda}{2}\lVert w\rVert^2$ to the loss, or multiply the weights by $1-\eta\lambda$ at every step. When is that the
# same, and why does AdamW do the second?
#
# <details><summary>An answer</summary>
#
# The gradient of the penalty is $\lambda w$, and gradient descent subtracts $\eta\lambda w$: the same. Adam divides the sum of both gradients
# by $\sqrt{\hat s}$, and the penalty with it. A weight with large gradients is then hardly decayed, one with small gradients
# strongly. AdamW takes the decay out of the division, so that all weights shrink by the same factor.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each has a cell to fill in and a check below it, which tries your code on inputs of its own and answers in a sentence. The solutions are in
# [a notebook of their own](solutions/07_optimizers.ipynb); any code that does what the card asks passes.

# %% tags=["given"]
import numpy as np

from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · As fast as it can stand
#
# *15 minutes.* **What.** One linear unit without a bias, the mean squared error, and all examples in every step. Above a certain rate
# gradient descent runs away. Write `stable_rate`, which works that rate out from the inputs, one row per example.
#
# **Why.** The steepest direction sets the rate for all the others. For the ravine the limit is 1: its inputs are `np.diag([0.2, 2**0.5])`. What it
# is for images, and what subtracting their mean does to it, you can see in the solution.


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
import keras
import matplotlib.pyplot as plt
import tensorflow as tf

from course_utils.data import load_fashion_mnist

# %% tags=["solution"]
fashion = lesson.data(load_fashion_mnist(validation=5_000))
pixels = fashion.x_train[:2000].reshape(-1, 784) / 255
trousers = (fashion.y_train[:2000] == 1).astype("float32")[:, None]
centred, deviation = pixels - pixels.mean(axis=0), pixels.std(axis=0)
images = {
    "pixels from 0 to 1": pixels,
    "their mean subtracted": centred,
    "standardized": centred / np.where(deviation > 0, deviation, 1),
}

# %% tags=["solution"]
net = keras.Sequential([keras.Input((784,)), keras.layers.Dense(1, use_bias=False)])
net.compile(keras.optimizers.SGD(), "mse", **lesson.fast)
print(f"{'':23}     limit   loss after 200 steps at 0.98 and at 1.02 of the limit")
for name, x in images.items():
    all_of_them = tf.data.Dataset.from_tensors((x.astype("float32"), trousers)).repeat(200)
    losses = []
    for share in (0.98, 1.02):
        net.set_weights([np.zeros((784, 1))])
        net.optimizer.learning_rate = float(share * stable_rate(x))
        net.fit(all_of_them, verbose=0)
        losses.append(net.evaluate(x, trousers, batch_size=len(x), verbose=0))
    print(f"{name:23}{stable_rate(x):10.4f}{losses[0]:13.3f}{losses[1]:16.3g}")

# %% [markdown] tags=["solution"]
# The unit learns to tell trousers from the rest. Just below the limit it learns, just above it blows up. Subtracting the mean image allows a rate several times higher:
# what all images have in common was the steepest direction. To standardize lowers the limit again, because faint pixels now count as much as strong ones. So a rate says nothing without
# the inputs it was found for.

# %% [markdown] tags=["exercise"]
# ### 2 · Adam by hand
#
# *20 minutes.* **What.** Write `adam_step`, one step of Adam. It gets the weights, the memories `m` and `s`, the gradient `g` and the number `t` of the step,
# counted from 1, and returns the new `w, m, s`. A small ε in the denominator, say `1e-7`, keeps a gradient of zero harmless.
#
# **Why.** Both memories begin at zero and need a while to fill. $\hat m = m/(1-\beta_1^t)$ and $\hat s = s/(1-\beta_2^t)$ make up for it. Leave that out, and
# $s$, which fills more slowly, makes the first steps too long.


# %% tags=["exercise"]
def adam_step(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    """The weights and both memories after step t (1, 2, ...); w, m, s, g: arrays of one shape."""
    ...


# %% tags=["solution"]
def adam_step(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    """The weights and both memories after step t (1, 2, ...); w, m, s, g: arrays of one shape."""
    m = beta_1 * m + (1 - beta_1) * g
    s = beta_2 * s + (1 - beta_2) * g**2
    m_hat, s_hat = m / (1 - beta_1**t), s / (1 - beta_2**t)
    return w - rate * m_hat / (np.sqrt(s_hat) + 1e-7), m, s  # the memory is kept as it is, uncorrected


# %% tags=["check"]
check("adam_step")

# %% tags=["solution"]
start, curvature = np.array([-9.0, 1.6]), np.array([0.04, 2.0])  # the lesson's ravine


def walk(step, gradient, start, steps=60):
    """The weights after every step; step takes w, m, s, g, t and returns w, m, s."""
    w, m, s = start, np.zeros(2), np.zeros(2)
    path = [w]
    for t in range(1, steps + 1):
        w, m, s = step(w, m, s, gradient(w), t)
        path.append(w)
    return np.array(path)


# %% tags=["solution"]
def keras_walk(optimizer, steps=60):
    unit = keras.layers.Dense(1, use_bias=False)
    unit.build((None, 2))
    unit.set_weights([start[:, None]])
    path = [start]
    for _ in range(steps):
        g = tf.constant((curvature * path[-1])[:, None], tf.float32)
        optimizer.apply_gradients([(g, unit.kernel)])
        path.append(unit.get_weights()[0][:, 0])
    return np.array(path)


# %% tags=["solution"]
by_keras = keras_walk(keras.optimizers.Adam(1.0))
by_hand = walk(lambda *state: adam_step(*state, rate=1.0), lambda w: curvature * w, start)
# So late a step that 1 - beta**t is 1: nothing is corrected.
uncorrected = walk(
    lambda w, m, s, g, t: adam_step(w, m, s, g, 10**6, rate=1.0), lambda w: curvature * w, start
)
print(f"largest difference between Keras' path and ours: {np.abs(by_keras - by_hand).max():.0e}")
print("along the valley         step 1   step 2   step 3   step 4   step 5")
for name, path in [("with correction", by_hand), ("without", uncorrected)]:
    print(f"{name:21}" + "".join(f"{change:9.2f}" for change in np.diff(path[:6, 0])))
print("steps without it are longer, for one and the same history, by a factor of")
for t in (1, 10, 100, 1000):
    print(f"{(1 - 0.9**t) / np.sqrt(1 - 0.999**t):10.2f} in step {t}")

# %% [markdown] tags=["solution"]
# Ours is Keras' Adam but for the rounding of single precision. Without the correction the first steps are several times as long as the rate says, and the factor grows for a while before it
# falls: `m` has filled after some ten steps, `s` only after some thousand. So the correction also acts as a warm-up, of the kind that lesson 08 puts
# into the schedule.

# %% [markdown] tags=["exercise"]
# ### 3 · A turned ravine
#
# *20 minutes.* **What.** Turn a loss of two weights counterclockwise about the origin: what stood at $w$ now stands at $Rw$, with
# $R=\begin{pmatrix}\cos\alpha & -\sin\alpha\\ \sin\alpha & \cos\alpha\end{pmatrix}$. Write `turned_gradient`, the gradient of the turned loss at `w`. `gradient` is a function
# that takes two weights and gives the old loss's gradient there; `angle` is in radians.
#
# **Why.** The lesson's valley runs along an axis, and a rate for each weight is made for that. A net's valleys run anywhere. Which optimizers
# walk the turned ravine as they walked the straight one, and which do not?


# %% tags=["exercise"]
def turned_gradient(gradient, w, angle):
    """The gradient at w, shape (2,), of the loss turned by angle; gradient(w) is that of the loss as it was."""
    ...


# %% tags=["solution"]
def turned_gradient(gradient, w, angle):
    """The gradient at w, shape (2,), of the loss turned by angle; gradient(w) is that of the loss as it was."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ gradient(turn.T @ w)  # back to where that place was, and the arrow forward again


# %% tags=["check"]
check("turned_gradient")

# %% tags=["solution"]
steps = {  # Keras starts Adagrad's sum at 0.1
    "gradient descent": lambda rate: lambda w, m, s, g, t: (w - rate * g, m, s),
    "momentum": lambda rate: lambda w, m, s, g, t: (w + 0.9 * m - rate * g, 0.9 * m - rate * g, s),
    "Adagrad": lambda rate: lambda w, m, s, g, t: (w - rate * g / np.sqrt(0.1 + s + g**2), m, s + g**2),
    "Adam": lambda rate: lambda *state: adam_step(*state, rate=rate),
}


def best_walk(make_step, angle):
    """Of twenty-five rates the walk that ends deepest, turned back so that walks can be compared."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def slope(w):
        return turned_gradient(lambda v: curvature * v, w, angle)

    walks = [walk(make_step(rate), slope, turn @ start) @ turn for rate in np.geomspace(1e-3, 1e1, 25)]
    inside = [path for path in walks if (np.abs(path) <= [10.0, 2.6]).all()]  # the lesson's rule
    return min(inside, key=lambda path: np.sum(curvature * path[-1] ** 2))


angles = (0, 15, 45, 90)
best = {(name, angle): best_walk(steps[name], np.deg2rad(angle)) for name in steps for angle in angles}

# %% tags=["solution"]
print("loss after 60 steps, each at its best rate, in a valley turned by")
print(f"{'':17}" + "".join(f"{f'{angle}°':>11}" for angle in angles))
for name in steps:
    losses = [0.5 * np.sum(curvature * best[name, angle][-1] ** 2) for angle in angles]
    print(f"{name:17}" + "".join(f"{loss:11.1e}" for loss in losses))

# %% tags=["solution"]
fig, panels = plt.subplots(1, 2, figsize=(10.5, 3.6), sharey=True)
grid = np.meshgrid(np.linspace(-10, 3, 200), np.linspace(-2.6, 2.6, 200))
for ax, name in zip(panels, ("momentum", "Adagrad")):
    height = 0.5 * (curvature[0] * grid[0] ** 2 + curvature[1] * grid[1] ** 2)
    ax.contour(*grid, height, levels=np.geomspace(0.01, 8, 10), colors="#BBBBBB", linewidths=0.8)
    ax.plot(*best[name, 0].T, "o-", color="#0072B2", markersize=6, label="valley along an axis")
    ax.plot(*best[name, 45].T, "^--", color="#D55E00", markersize=3, linewidth=1.2, label="turned by 45°")
    ax.set(xlim=(-10, 3), ylim=(-2.6, 2.6), xlabel="along the valley")
    ax.grid(False)
panels[0].set(ylabel="across", title="Momentum walks as before")
panels[1].set_title("Adagrad does not")
panels[1].legend(loc="lower right")
plt.show()

# %% [markdown] tags=["solution"]
# Gradient descent and momentum add up gradients and multiply by numbers. Turn the valley, and everything turns with it. Adagrad and Adam divide each weight's part by its own history, which
# tells steep from flat where these are axes, as they are again after a quarter turn. At 45° both weights see a mixture. Adagrad, the winner in the lesson, then
# goes down the wall and crawls along the floor like gradient descent, and ends behind it. (The figure shows the turned walks turned back.)

# %% [markdown]
# ## References
#
# - J. Duchi, E. Hazan, Y. Singer, *Adaptive Subgradient Methods*, 2011, [JMLR 12](https://jmlr.org/papers/v12/duchi11a.html).
# - D. P. Kingma, J. Ba, *Adam: A Method for Stochastic Optimization*, 2014, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980).
# - A. C. Wilson and others, *The Marginal Value of Adaptive Gradient Methods in Machine Learning*, 2017,
#   [arXiv:1705.08292](https://arxiv.org/abs/1705.08292).
# - D. Choi and others, *On Empirical Comparisons of Optimizers for Deep Learning*, 2019, [arXiv:1910.05446](https://arxiv.org/abs/1910.05446): how the
#   tuning decides the race.
