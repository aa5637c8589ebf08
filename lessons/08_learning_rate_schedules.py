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
# # 08 · Learning-rate schedules
#
# Of all the numbers you set, the learning rate matters most, and no single one is right: far from the goal you want long steps, near
# it short ones. So one starts high and goes down, and there are many ways down. This lesson puts them all on one pair of
# axes, then asks how high to start, and ends with a schedule that first goes *up*.
#
# | | |
# |---|---|
# | **You will learn** | to write a schedule as a function of the step · to translate what older books do with `lr=`, `decay=` and callbacks · to find a rate in one short test · what 1cycle does and what it saves |
# | **You need** | a dense net in Keras; lesson 07 |
# | **Reproduces** | *Training Deep Neural Networks*, part E: learning-rate schedules (chapter 11 of A. Géron's *Hands-On Machine Learning*, notebook of the second edition) |
# | **The ideas** | Smith 2015, [*Cyclical Learning Rates*](https://arxiv.org/abs/1506.01186) · Smith & Topin 2017, [*Super-Convergence*](https://arxiv.org/abs/1708.07120) · Senior and others 2013, [*An empirical study of learning rates*](https://research.google/pubs/an-empirical-study-of-learning-rates-in-deep-neural-networks-for-speech-recognition/) |
# | **Time** | in full mode as it says above; in quick mode (`COURSE_MODE=quick`) under a minute |

# %%
from course_utils.lesson import FAST, Lesson

lesson = Lesson("08_learning_rate_schedules")

# %%
import time

import keras
import matplotlib.pyplot as plt
import numpy as np

from course_utils import plotting
from course_utils.batches import shuffled
from course_utils.data import load_fashion_mnist
from course_utils.lr_finder import lr_find
from course_utils.schedules import Exponential, OneCycle, PiecewiseConstant, Power

# %% [markdown]
# ## The task and the net
#
# Fashion-MNIST, standardized pixel by pixel, the first 5,000 training images for validation; 300-100-10 units, SELU, LeCun's weights, 25 epochs
# in batches of 32. Only the optimizer and its rate will differ.

# %%
fashion = lesson.data(load_fashion_mnist(validation=5_000))

pixel_mean = fashion.x_train.mean(axis=0)
pixel_std = fashion.x_train.std(axis=0)
pixel_std[pixel_std == 0] = 1
x_train, x_valid = (
    ((x - pixel_mean) / pixel_std).astype("float32") for x in (fashion.x_train, fashion.x_valid)
)
y_train, y_valid = fashion.y_train, fashion.y_valid

n_epochs = lesson.epochs(25)
steps_per_epoch = int(np.ceil(len(x_train) / 32))


# %%
def compiled(optimizer, **options):
    layers = keras.layers
    net = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(300, activation="selu", kernel_initializer="lecun_normal"),
            layers.Dense(100, activation="selu", kernel_initializer="lecun_normal"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **(FAST | options))
    return net


# %% [markdown]
# ## A schedule is a function of the step
#
# Give an optimizer a function in place of a number, and it asks the function before each step. In Keras such a function is a
# `LearningRateSchedule`. It sees nothing but the number of the step, so it can be drawn before it is used.
#
# - **Power**: $\eta_0/(1+t/s)^c$. Halved after $s$ steps, a third after $2s$: quick at first, then ever slower.
# - **Exponential**: $\eta_0 \cdot 0.1^{t/s}$. A tenth every $s$ steps, for ever.
# - **Piecewise constant**: what somebody found out by watching.
#
# The chapter lets the exponential one change once an epoch, and then with every batch; the second form is smoother. **Can you
# tell from the figure which optimizer step will be the longest, and when the shortest one has a tenth of it?**

# %%
n = steps_per_epoch
schedules = {
    "power": Power(0.01, decay_steps=10_000),
    "exponential, by epoch": Exponential(0.01, decay_steps=20, steps_per_epoch=n),
    "exponential, by step": Exponential(0.01, decay_steps=20 * n),
    "piecewise constant": PiecewiseConstant([5, 15], [0.01, 0.005, 0.001], steps_per_epoch=n),
}

# %% tags=["figure"]
fig, ax = plt.subplots(figsize=(7.6, 4))
for name, schedule in schedules.items():
    plotting.schedule(schedule, n_epochs * n, steps_per_epoch=n, label=name, ax=ax)
ax.set_title("Four ways down")
ax.legend()
plt.show()

# %% [markdown]
# ## What the chapter writes instead
#
# The chapter changes the rate from outside, by callbacks. A function of the epoch for the `LearningRateScheduler` of Keras:


# %%
def exponential_decay(lr0, s):
    def exponential_decay_fn(epoch):
        return lr0 * 0.1 ** (epoch / s)

    return exponential_decay_fn


def exponential_from_the_rate(epoch, lr):  # the second form: Keras hands in the current rate
    return lr * 0.1 ** (1 / 20) if epoch else lr


# %% [markdown]
# And for every batch a callback of its own. (In the chapter its method reads a variable `s` of the notebook, not the one it was
# given; it works as long as both are the same.)


# %%
class ExponentialDecay(keras.callbacks.Callback):
    def __init__(self, s):
        super().__init__()
        self.s = s

    def on_train_batch_end(self, batch, logs=None):
        rate = self.model.optimizer.learning_rate
        rate.assign(rate * 0.1 ** (1 / self.s))


# %% [markdown]
# Both still work, with two costs. A callback runs between two steps, so TensorFlow has to come back to Python for it: with fifty steps per
# execution it would be called once in fifty steps, and the rates would be wrong. And what a callback does is not saved with the
# model. Do both forms give the same training? Two short epochs of each, from the same seed:


# %%
def weights_after(optimizer, callbacks=(), **options):
    lesson.set_seed()
    net = compiled(optimizer, **options)
    net.fit(shuffled(x_train[:640], y_train[:640], 32), epochs=2, verbose=0, callbacks=list(callbacks))
    return np.concatenate([w.ravel() for w in net.get_weights()])


one_by_one = dict(steps_per_execution=1)
by_epoch = keras.callbacks.LearningRateScheduler(exponential_decay(0.01, s=20))
pairs = {
    "by epoch": (
        weights_after(keras.optimizers.Nadam(0.01), [by_epoch], **one_by_one),
        weights_after(keras.optimizers.Nadam(Exponential(0.01, decay_steps=20, steps_per_epoch=20)), **one_by_one),
    ),
    "by step": (
        weights_after(keras.optimizers.Nadam(0.01), [ExponentialDecay(s=400)], **one_by_one),
        weights_after(keras.optimizers.Nadam(Exponential(0.01, decay_steps=400)), **one_by_one),
    ),
}

# %% tags=["nbval-check-output"]
for name, (callback, schedule) in pairs.items():
    print(f"{name}: the same weights:", np.allclose(callback, schedule, rtol=1e-3, atol=1e-5))
