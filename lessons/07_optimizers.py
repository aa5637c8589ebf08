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

# %%
from course_utils.lesson import FAST, Lesson

lesson = Lesson("07_optimizers")

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import stats

from course_utils.batches import shuffled
from course_utils.data import load_fashion_mnist
from course_utils.notebook import progress_bar
from course_utils.restart import restart

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
# **Before you look:** which optimizers will zigzag, which will overshoot, which will slow down, and which will walk straight?


# %%
def loss_at(w):
    return 0.5 * (0.04 * w[0] ** 2 + 2.0 * w[1] ** 2)


def walk(optimizer, start=(-9.0, 1.6), steps=60):
    w = tf.Variable(start)
    path = [w.numpy()]
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = loss_at(w)
        optimizer.apply_gradients([(tape.gradient(loss, w), w)])
        path.append(w.numpy())
    return np.array(path)


# %% [markdown]
# A rate that suits one would be a handicap for another. So each gets, of twenty-five rates, the one that takes it deepest in sixty steps.

# %%
rates = np.geomspace(1e-3, 1e1, 9 if lesson.quick else 25)
paths, best_rate = {}, {}
for name, make in progress_bar(optimizers.items(), "the ravine, every optimizer at every rate", unit="optimizer"):
    tried = {rate: walk(make(float(rate))) for rate in rates}
    best_rate[name] = min(rates, key=lambda rate: np.nan_to_num(loss_at(tried[rate][-1]), nan=np.inf))
    paths[name] = tried[best_rate[name]]

# %% tags=["figure"]
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
# RAVINE-PROSE
#
# ## The race
#
# A ravine is not a net. On Fashion-MNIST, 300-100-10 units with ReLU, batches of 32. Each optimizer first tries eight rates, one epoch each, and keeps the one
# with the lowest loss on the *validation* images. At that rate it then trains from five seeds for five epochs, and is measured on the test
# images, which had no say in the choice.

# %%
fashion = lesson.data(load_fashion_mnist(validation=5_000))

x_train, x_valid, x_test = (
    x / np.float32(255) for x in (fashion.x_train, fashion.x_valid, fashion.x_test)
)
y_train, y_valid, y_test = fashion.y_train, fashion.y_valid, fashion.y_test


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
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **FAST)
    return net
