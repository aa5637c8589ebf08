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
# # 04 · Normalization by hand
#
# A mistake in a normalization layer is easy to make and hard to see, because a net with a wrong normalization usually still learns. In this lesson we
# write weight, batch and layer normalization ourselves, forward and backward, and check the gradients that we derive. Then we reproduce a memo whose
# author wrote the same layers, and look at its mistakes.
#
# - **You will learn:** to derive the gradient of a normalization layer; to check a derivation by automatic differentiation; to tell a better method
#   from a longer step; to write tests that find mistakes which no learning curve shows.
# - **You need:** the chain rule and matrix products; [lesson 02](02_batch_normalization.ipynb).
# - **Reproduces:** *Normalization (Batch, Weight, Layer) の実装に関するメモ* (a memo on implementing normalization), Qiita, 2018-05-27. It shows curves and
#   prints no numbers.
# - **Time:** about 30 minutes to read; a run takes as long as the line below says, in quick mode under a minute.

# %% tags=["needed"]
from course_utils.lesson import Lesson

lesson = Lesson("04_normalization_by_hand")

# %% tags=["needed"]
import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf

from course_utils import plotting
from course_utils.data import load_mnist
from course_utils.training import fit, progress_bar

# %% [markdown]
# ## The memo's set-up
#
# The net reads MNIST. It has 784 input pixels, 128 ReLU units, and 10 outputs with a softmax. The labels are *one-hot*: ten numbers, a 1 at the digit's
# place and nine zeros. The net is trained by plain gradient descent with rate `0.1`, on batches of 128 that are drawn at random *with replacement*. The
# memo's data loader gives 55,000 training images, so we do not use 5,000 of MNIST's 60,000.

# %%
mnist = lesson.data(load_mnist(validation=5_000))
x_train, x_test = (x.reshape(len(x), -1) / np.float32(255) for x in (mnist.x_train, mnist.x_test))
y_train, y_test = (np.eye(10, dtype="float32")[y] for y in (mnist.y_train, mnist.y_test))
n_steps = 20 if lesson.quick else 2000


def beginning(seed):
    """The weights that both layers start from, and which images each batch holds."""
    rng = np.random.default_rng(seed)
    starts = []
    for n_in, n_out in [(784, 128), (128, 10)]:
        limit = np.sqrt(6 / (n_in + n_out))
        starts.append(rng.uniform(-limit, limit, (n_in, n_out)).astype("float32"))
    return *starts, rng.integers(0, len(x_train), (n_steps, 128))


# %% [markdown]
# For one seed, all nets with these two layers begin from the same drawn weights and see the same batches. So a difference between two curves comes from
# what we changed. (We do not know the memo's own starting weights. We draw Glorot's, as Keras does.)
#
# ## A layer without normalization
#
# The forward pass of a layer computes $y = xw + b$, with one row for each example. The backward pass gets $\bar y = \partial L/\partial y$, the
# gradient of the loss $L$ with respect to $y$. It computes the gradients with respect to the input and to every weight:
#
# $$\bar w = x^\top \bar y, \qquad \bar b = \sum_i \bar y_i, \qquad \bar x = \bar y\, w^\top .$$
#
# A bar means “gradient of the loss with respect to”. In the code it is a `d` in front of the name.


# %% tags=["needed"]
class Dense:
    def __init__(self, w):
        self.weights = {"w": w.copy(), "b": np.zeros_like(w[0])}

    def forward(self, x, training=True):
        self.x = x
        return x @ self.weights["w"] + self.weights["b"]

    def backward(self, dy):
        self.gradients = {"w": self.x.T @ dy, "b": dy.sum(axis=0)}
        return dy @ self.weights["w"].T


# %% [markdown]
# Two layers make a net. For softmax and cross-entropy together the gradient is simple: predicted probabilities minus the one-hot label, divided by the
# number of examples. ReLU passes the gradient on where the unit was above zero, and elsewhere it passes zero.


# %%
def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


class Net:
    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x, training=True):
        self.h = np.maximum(self.layers[0].forward(x, training), 0)
        return self.layers[1].forward(self.h, training)

    def backward(self, x, y):
        z = self.forward(x)
        dh = self.layers[1].backward((np.exp(log_softmax(z)) - y) / len(y))
        self.layers[0].backward(dh * (self.h > 0))
        return z

    def step(self, x, y, rate):
        z = self.backward(x, y)
        for layer in self.layers:
            for name, gradient in layer.gradients.items():
                layer.weights[name] = layer.weights[name] - rate * gradient
        return z


# %% [markdown]
# ## Weight normalization
#
# Weight normalization ([lesson 05](05_weight_normalization.ipynb)) writes the weights $w$ of each unit as a length $g$ times a direction:
# $w = g\,\hat v$ with $\hat v = v/\lVert v\rVert$. It trains $g$ and $v$. With $t = x\hat v$, the forward pass is $y = g\,t + b$. The backward pass is:
#
# $$\bar g = \sum_i \bar y_i t_i, \qquad \bar b = \sum_i \bar y_i, \qquad \bar t = g\,\bar y, \qquad
#   \bar{\hat v} = x^\top \bar t, \qquad \bar v = \frac{\bar{\hat v} - (\bar{\hat v}\cdot\hat v)\,\hat v}{\lVert v\rVert} .$$
#
# The last formula removes the part of the gradient along $\hat v$, because the length of $v$ does not change the output.
#
# The method also has an *initialization from data*. With the mean $\mu_t$ and the standard deviation $\sigma_t$ of $t$ over the first batch, it sets
# $g = 1/\sigma_t$ and $b = -\mu_t/\sigma_t$. Then each output starts with mean 0 and variance 1. Without it, $g$ starts at 1 and $b$ at 0.


# %%
class WeightNorm:
    def __init__(self, v, from_data=False):
        self.weights = {"v": v.copy(), "g": np.ones_like(v[0]), "b": np.zeros_like(v[0])}
        self.from_data = from_data

    def initialize(self, mean, deviation):
        self.weights |= {"g": 1 / deviation, "b": -mean / deviation}

    def forward(self, x, training=True):
        self.x, self.length = x, np.linalg.norm(self.weights["v"], axis=0)
        self.v_hat = self.weights["v"] / self.length
        self.t = x @ self.v_hat
        if self.from_data:
            self.from_data = False
            self.initialize(self.t.mean(axis=0), np.sqrt(self.t.var(axis=0) + 1e-10))
        return self.weights["g"] * self.t + self.weights["b"]

    def backward(self, dy):
        dt = self.weights["g"] * dy
        dv_hat = self.x.T @ dt
        dv = (dv_hat - (dv_hat * self.v_hat).sum(axis=0) * self.v_hat) / self.length
        self.gradients = {"v": dv, "g": (dy * self.t).sum(axis=0), "b": dy.sum(axis=0)}
        return dt @ self.v_hat.T


# %% [markdown]
# ## Batch and layer normalization
#
# Both compute $t = xw$, subtract a mean and divide by a standard deviation. Then they apply a scale $\gamma$ and a shift $\beta$, which are trained,
# one of each for every unit:
#
# $$\hat t = \frac{t - \mu}{\sigma}, \quad \sigma = \sqrt{\operatorname{Var}[t] + 10^{-5}}, \qquad y = \gamma\,\hat t + \beta .$$
#
# They differ in one index. Batch normalization takes $\mu$ and $\sigma$ over the examples, for each unit (axis 0). Layer normalization takes them over
# the units, for each example (axis 1).
#
# Now the gradient of $t$. We know $\bar{\hat t} = \gamma\,\bar y$. One might then write $\bar t = \bar{\hat t}/\sigma$. **What does this forget?**
# Follow the arrows from $t_1$ to the loss.

# %% tags=["figure", "cover"] alt="A graph of the forward pass. From t₁ one arrow goes straight to t̂₁. A second goes to the mean μ, and from there to t̂₁, t̂₂ and t̂₃. A third goes to the deviation σ, and from there to t̂₁, t̂₂ and t̂₃. All three t̂ lead to the loss L."
fig, ax = plt.subplots(figsize=(8.4, 3.6))
places = {"t₁": (0, 2), "t₂": (0, 1), "t₃": (0, 0), "μ": (1.2, 2.6), "σ": (1.2, -0.6)}
places |= {"t̂₁": (2.6, 2), "t̂₂": (2.6, 1), "t̂₃": (2.6, 0), "L": (3.8, 1)}
outputs = ["t̂₁", "t̂₂", "t̂₃"]
paths = {
    "1 · directly": ([("t₁", "t̂₁")], "black", 0.0),
    "2 · through the mean": ([("t₁", "μ"), *(("μ", one) for one in outputs)], "C0", -0.1),
    "3 · through the deviation": ([("t₁", "σ"), *(("σ", one) for one in outputs)], "C1", 0.1),
    None: ([("t₂", "t̂₂"), ("t₃", "t̂₃"), *((one, "L") for one in outputs)], "lightgrey", 0.0),
}
for path, (arrows, colour, bend) in paths.items():
    look = dict(arrowstyle="-|>", color=colour, shrinkA=14, shrinkB=14, linewidth=1.8)
    for tail, head in arrows:
        line = dict(look, connectionstyle=f"arc3,rad={bend}")
        ax.annotate("", places[head], places[tail], arrowprops=line)
    ax.plot([], [], color=colour, label=path)
for name, (across, up) in places.items():
    ax.text(across, up, name, ha="center", va="center", fontsize=15)
ax.set(xlim=(-0.3, 4.1), ylim=(-1, 3), title="Three paths lead from t₁ to the loss L")
ax.set_axis_off()
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# A change of $t_1$ also changes $\mu$ and $\sigma$, and so every $\hat t$ that is computed with them. Let $n$ be the number of values that share $\mu$
# and $\sigma$, and $\langle\cdot\rangle$ the mean over them. Then the three paths give
#
# $$\frac{\partial \hat t_j}{\partial t_i} = \frac1\sigma\Big(\underbrace{\delta_{ij}}_{1} - \underbrace{\frac1n}_{2} - \underbrace{\frac{\hat t_i\,\hat t_j}{n}}_{3}\Big)
#   \quad\Longrightarrow\quad
#   \bar t = \frac1\sigma\Big(\bar{\hat t} - \langle\bar{\hat t}\rangle - \hat t\,\langle\bar{\hat t}\,\hat t\rangle\Big).$$
#
# Here $\delta_{ij}$ is 1 for $i = j$, and 0 otherwise. Paths 2 and 3 remove two directions from the gradient: adding a constant to all $t$, and
# rescaling all $t$. The layer undoes both changes, so neither can change the loss. Batch normalization also keeps running averages of $\mu$ and
# $\operatorname{Var}[t]$, for use after training.


# %% tags=["needed"]
class Normalized:
    def __init__(self, w, axis, paths=(1, 2, 3)):
        self.weights = {"w": w.copy(), "gamma": np.ones_like(w[0]), "beta": np.zeros_like(w[0])}
        self.axis, self.over, self.paths = axis, {"axis": axis, "keepdims": True}, paths
        self.running = None

    def forward(self, x, training=True):
        self.x, t = x, x @ self.weights["w"]
        mean, variance = t.mean(**self.over), t.var(**self.over)
        self.statistics = mean, variance
        if self.axis == 0 and not training:
            mean, variance = self.running
        self.sigma = np.sqrt(variance + 1e-5)
        self.t_hat = (t - mean) / self.sigma
        return self.weights["gamma"] * self.t_hat + self.weights["beta"]

    def backward(self, dy):
        dt_hat = self.weights["gamma"] * dy
        shift = dt_hat.mean(**self.over) if 2 in self.paths else 0.0
        stretch = (dt_hat * self.t_hat).mean(**self.over) if 3 in self.paths else 0.0
        dt = (dt_hat - shift - self.t_hat * stretch) / self.sigma
        gamma, beta = (dy * self.t_hat).sum(axis=0), dy.sum(axis=0)
        self.gradients = {"w": self.x.T @ dt, "gamma": gamma, "beta": beta}
        if self.axis == 0:
            old = self.running or self.statistics
            self.running = tuple(0.9 * o + 0.1 * n for o, n in zip(old, self.statistics))
        return dt @ self.weights["w"].T


# %% [markdown]
# The backward pass is the formula, path by path. (With `paths` we can leave some out, for an experiment below.) Each training step moves the running
# averages a tenth of the way to the values of the batch.
#
# Here are the memo's five nets. Batch and layer normalization are in the first layer only; weight normalization is in both.

# %%
INITIALISED = "weight normalization, paper's initialization"
five_nets = {
    "plain": lambda w1, w2: Net(Dense(w1), Dense(w2)),
    "weight normalization": lambda w1, w2: Net(WeightNorm(w1), WeightNorm(w2)),
    INITIALISED: lambda w1, w2: Net(WeightNorm(w1, from_data=True), WeightNorm(w2, from_data=True)),
    "batch normalization": lambda w1, w2: Net(Normalized(w1, axis=0), Dense(w2)),
    "layer normalization": lambda w1, w2: Net(Normalized(w1, axis=1), Dense(w2)),
}

# %% [markdown]
# ## Are the derivations right?
#
# A wrong gradient seldom stops a training. So we write the same layers in Keras, forward only. Automatic differentiation computes the gradients, and we
# compare.


# %%
class KerasWeightNorm(keras.layers.Layer):
    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units

    def build(self, shape):
        self.v = self.add_weight(name="v", shape=(shape[-1], self.units), initializer="glorot_uniform")
        self.g = self.add_weight(name="g", shape=(self.units,), initializer="ones")
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")

    def call(self, x):
        v = tf.convert_to_tensor(self.v)
        return self.g * (x @ (v / tf.norm(v, axis=0))) + self.b


# %%
class KerasNormalized(keras.layers.Layer):
    def __init__(self, units, axis, **options):
        super().__init__(**options)
        self.units, self.axis = units, axis

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(shape[-1], self.units), initializer="glorot_uniform")
        self.gamma = self.add_weight(name="gamma", shape=(self.units,), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(self.units,), initializer="zeros")

    def call(self, x):
        t = x @ self.w
        mean, variance = tf.nn.moments(t, self.axis, keepdims=True)
        return self.gamma * (t - mean) / tf.sqrt(variance + 1e-5) + self.beta


# %% [markdown]
# Each of our nets gets a copy in Keras with the same weights. We compute in double precision, so that rounding cannot hide an error.


# %%
def twin(net):
    """The same net in Keras, with the same weights, in double precision."""
    layers = []
    for layer, units in zip(net.layers, (128, 10)):
        if isinstance(layer, WeightNorm):
            layers.append(KerasWeightNorm(units, dtype="float64"))
        elif isinstance(layer, Normalized):
            layers.append(KerasNormalized(units, layer.axis, dtype="float64"))
        else:
            layers.append(keras.layers.Dense(units, dtype="float64"))
    relu = keras.layers.ReLU(dtype="float64")
    model = keras.Sequential([keras.Input((784,), dtype="float64"), layers[0], relu, layers[1]])
    model.set_weights([value for layer in net.layers for value in layer.weights.values()])
    return model


def worst_difference(net, x, y):
    """The largest difference from automatic differentiation, relative to the largest entry."""
    net.backward(x, y)
    by_hand = [layer.gradients[name] for layer in net.layers for name in layer.weights]
    model = twin(net)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, model(x)))
    automatic = [np.array(one) for one in tape.gradient(loss, model.trainable_variables)]
    return max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(by_hand, automatic))


# %% [markdown]
# At their first values, $\gamma = 1$ and $\beta = 0$, a forgotten factor would not show. So we first move every parameter a little, at random. And we
# must see that the check can fail. So we add batch normalization without one or two of the paths.

# %%
wrong_paths = {"without path 2": (1, 3), "without path 3": (1, 2), "with path 1 only": (1,)}
wrong_nets = {
    name: (lambda w1, w2, paths=paths: Net(Normalized(w1, axis=0, paths=paths), Dense(w2)))
    for name, paths in wrong_paths.items()
}
w1, w2, batches = beginning(lesson.seed)
w1, w2, x, y = (a.astype("float64") for a in (w1, w2, x_train[batches[0]], y_train[batches[0]]))
rng = np.random.default_rng(lesson.seed)
difference = {}
for name, make_net in {**five_nets, **wrong_nets}.items():
    net = make_net(w1, w2)
    net.forward(x)  # on its first batch, weight normalization sets g and b from the data
    for layer in net.layers:
        for weight, value in layer.weights.items():
            layer.weights[weight] = value + 0.1 * rng.normal(size=value.shape)
    difference[name] = worst_difference(net, x, y)

# %% tags=["nbval-check-output"]
pd.DataFrame({"gradient right to 1e-6": {name: found < 1e-6 for name, found in difference.items()}})

# %%
pd.DataFrame({"worst relative difference": {name: f"{d:.0e}" for name, d in difference.items()}})

# %% [markdown]
# Five are right and three are wrong, as they should be. Would a learning curve have shown the mistakes? The end of the next section answers this.
#
# ## The memo's five learning curves
#
# The memo trains these five nets. It says that the initialization makes a difference. **Which net do you expect to have the lowest loss after 100
# steps? And after 2,000?** Write down your order.
#
# At every step the memo records loss and accuracy of the batch, *after* the step. So do we. At some steps we also measure what the memo does not: the
# loss over 11,000 training images (every fifth one), and the accuracy on the test images.


# %%
checkpoints = [5, 10, 20] if lesson.quick else [100, 500, 2000]
looks = sorted({1, *checkpoints} | (set() if lesson.quick else {5, 20, 200, 1000}))


def score(z, y):
    """Mean loss, and accuracy."""
    loss = -(y * log_softmax(z)).sum(axis=1).mean()
    return float(loss), float((z.argmax(axis=1) == y.argmax(axis=1)).mean())


def train(make_net, seed, rate=0.1):
    w1, w2, batches = beginning(seed)
    net, on_batch, on_all = make_net(w1, w2), [], []
    for step, batch in enumerate(batches, start=1):
        x, y = x_train[batch], y_train[batch]
        before = net.step(x, y, rate)
        on_batch.append((score(before, y)[1], *score(net.forward(x), y)))
        if step in looks:
            on_all.append(score(net.forward(x_train[::5], training=False), y_train[::5]))
            on_all[-1] += score(net.forward(x_test, training=False), y_test)
    columns = ["loss", "training accuracy", "test loss", "test accuracy"]
    on_batch = pd.DataFrame(on_batch, columns=["accuracy before", "loss after", "accuracy after"])
    return {"net": net, "batch": on_batch, "all": pd.DataFrame(on_all, index=looks, columns=columns)}


# %% [markdown]
# One function trains several nets, each from several seeds. Another draws them.


# %%
def train_all(nets, n_seeds, label, rate=0.1):
    """A list of trainings for each name, one for each seed."""
    plan = [(name, seed) for name in nets for seed in lesson.seeds(n_seeds)]
    found = {name: [] for name in nets}
    for name, seed in progress_bar(plan, label, unit="training"):
        found[name].append(train(nets[name], seed, rate))
    return found


def draw(panel, runs, what, start=1):
    """Thin lines for the seeds, a thick one for their mean."""
    for name, trainings in runs.items():
        curves = pd.concat([training["all"][what] for training in trainings], axis=1).loc[start:]
        look = dict(color=plotting.colour(name, panel))
        panel.plot(curves.index, curves, linewidth=0.8, alpha=0.5, **look)
        panel.plot(curves.index, curves.mean(axis=1), marker=plotting.marker(name, panel), label=name, **look)
    panel.set(xscale="log", xlabel="step", ylabel=what)
    ticks = [step for step in (1, 10, 100, 1000) if start <= step <= n_steps]
    panel.set_xticks(ticks, [f"{step:,}" for step in ticks])


runs = train_all(five_nets, 5, "the memo's five nets")

# %% tags=["figure"] alt="Four panels over the steps, on a logarithmic axis, with a line for each of the five nets. Above, loss and accuracy of the batch after the step; below, the loss over many training images and the test accuracy. Weight normalization without the initialization learns as slowly as the plain net or more slowly. Weight normalization with it, batch and layer normalization learn faster than both."
fig, panels = plt.subplots(2, 2, figsize=(10.5, 8), sharex=True)
window = max(1, n_steps // 40)
for ax, what in zip(panels[0], ("loss after", "accuracy after")):
    for name, trainings in runs.items():
        mean = sum(training["batch"][what] for training in trainings) / len(trainings)
        smooth = mean.rolling(window, min_periods=1).mean()
        ax.plot(mean.index + 1, smooth, color=plotting.colour(name, ax), linewidth=1.5)
    ax.set(xscale="log", ylabel=f"{what} the step\n(mean of {window} batches)")
    ax.set_title(f"As in the memo: {what.split()[0]} of the batch")
draw(panels[1, 0], runs, "loss")
draw(panels[1, 1], runs, "test accuracy")
panels[1, 0].set(ylabel="loss, 11,000 training images", title="Training loss")
panels[1, 1].set_title("Test accuracy")
for ax in panels[:, 0]:
    ax.set_yscale("log")
fig.legend(*panels[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# Step and loss have logarithmic axes. In the lower panels, thin lines are single seeds. Here are the means over the seeds at three of the steps.


# %%
def mean_at(runs, what):
    """The mean over the seeds, a row for each name and a column for each of three steps."""
    means = {name: sum(t["all"][what] for t in found) / len(found) for name, found in runs.items()}
    return pd.DataFrame(means).loc[checkpoints].T


pd.concat({what: mean_at(runs, what) for what in ("loss", "test accuracy")}, axis=1).round(4)

# %% tags=["record"]
loss, test = mean_at(runs, "loss").T.to_dict("list"), mean_at(runs, "test accuracy").T.to_dict("list")
WITHOUT = "weight normalization"
gaps = np.abs(np.subtract(loss[WITHOUT], loss[INITIALISED]))
lesson.record("S3.c1", holds=bool((gaps > 0.01).all()), worst=float(gaps.min()))
lesson.record(
    "S3.q1",
    loss_without=loss[WITHOUT],
    loss_with=loss[INITIALISED],
    test_accuracy_without=test[WITHOUT],
    test_accuracy_with=test[INITIALISED],
)
short = dict(zip(five_nets, ["plain", "weight", "weight_initialized", "batch", "layer"]))
losses = {f"{short[name]}_loss": values for name, values in loss.items()}
tests = {f"{short[name]}_test_accuracy": values for name, values in test.items()}
lesson.record("S3.q2", **losses, **tests)

# %% [markdown]
# Compare the lower panels with your order. Look at weight normalization *without* the initialization (squares) and at the plain net (circles). Does
# every normalization learn faster than none? The memo never says so; it is a question of this course.
#
# The memo's own curves, in the upper panels, have two faults. First, a batch is a small random sample, so its accuracy varies from step to step. We had
# to average. Second, the memo measures after the step, when the net has just learned from these images. How much does this add to the accuracy?

# %%
first_steps = {
    name: pd.concat([t["batch"][: checkpoints[0]] for t in trainings]).mean()
    for name, trainings in runs.items()
}
table = pd.DataFrame(first_steps).T[["accuracy before", "accuracy after"]]
table.assign(difference=table["accuracy after"] - table["accuracy before"]).round(3)

# %% [markdown]
# Each number is a mean over the seeds and over all steps up to the first one in the table above. “After” is what the memo records.
#
# ### What a wrong gradient does
#
# Now we train with the three wrong gradients, from three of the seeds.

# %%
wrong = train_all(wrong_nets, 3, "wrong gradients")
with_right = {"plain": runs["plain"][:3], "batch normalization": runs["batch normalization"][:3], **wrong}

# %% tags=["figure"] alt="Training loss over the steps for the plain net, for batch normalization with the right gradient, and for three versions without one or two of the paths. All fall."
fig, ax = plt.subplots()
draw(ax, with_right, "loss")
ax.set(yscale="log", ylabel="loss, 11,000 training images")
ax.set_title("A wrong gradient still learns")
ax.legend()
plt.show()

# %%
mean_at(with_right, "loss").round(4)

# %% [markdown]
# All three losses fall. Each curve looks normal on its own; only the right curve beside it, or the check above, shows a mistake. Compare the last
# column with the plain net: does batch normalization still help when its gradient is wrong?
#
# ## A better method, or a longer step?
#
# Why does the net with the initialization have a lower loss than the plain net? There are three candidates.
#
# - *The parametrisation.* We start weight normalization with $g = \lVert v\rVert$, so that it begins as exactly the same function as the plain net.
# - *The start.* The initialization gives weights $w = g\,\hat v$ and $b$, here from the first 128 training images. We copy them into a plain net.
# - *The length of the steps.* All runs use the memo's rate, `0.1`. We give the plain net `0.5`.
#
# **Which of the three comes closest to the net with the initialization?**


# %%
def same_function(w1, w2):
    net = Net(WeightNorm(w1), WeightNorm(w2))
    for layer in net.layers:
        layer.weights["g"] = np.linalg.norm(layer.weights["v"], axis=0)
    return net


def initialized_start(w1, w2):
    donor, net = five_nets[INITIALISED](w1, w2), Net(Dense(w1), Dense(w2))
    donor.forward(x_train[:128])
    for one, other in zip(donor.layers, net.layers):
        other.weights = {"w": one.weights["g"] * one.v_hat, "b": one.weights["b"]}
    return net


candidates = {"weight normalization, g = ‖v‖": same_function, "plain, initialized start": initialized_start}
found = train_all(candidates, 3, "parametrisation and start")
found |= train_all({"plain, rate 0.5": five_nets["plain"]}, 3, "a longer step", rate=0.5)
compared = {name: runs[name][:3] for name in ("plain", INITIALISED)} | found

# %% tags=["figure"] alt="Training loss over the steps for five nets. The curve of weight normalization with g = ‖v‖ stays close to that of the plain net. The plain net with rate 0.5 ends close to weight normalization with the initialization."
fig, ax = plt.subplots()
draw(ax, compared, "loss", start=10)
ax.set(yscale="log", ylabel="loss, 11,000 training images")
ax.set_title("Most of the lead is a longer step")
ax.legend(fontsize=9)
plt.show()

# %%
mean_at(compared, "loss").round(4)

# %% [markdown]
# How can weight normalization get longer steps? The gradient with respect to $v$ is that with respect to $w$, times $g/\lVert v\rVert$, without the
# part along $\hat v$. When $v$ moves, $w = g\,\hat v$ moves by this factor times as much. So the part of a step that turns $w$ is
# $(g/\lVert v\rVert)^2$ times as long as in a plain net:

# %%
rows = {}
for name in ("weight normalization", INITIALISED):
    w1, w2, batches = beginning(lesson.seed)
    net = five_nets[name](w1, w2)
    net.forward(x_train[batches[0]])
    factors = [(layer.weights["g"] / layer.length) ** 2 for layer in net.layers]
    rows[name] = [np.median(factor) for factor in factors]
pd.DataFrame(rows, index=["first layer", "second layer"]).T.round(2)

# %% [markdown]
# (Median over the units, at the start. Below 1 the steps are shorter than in the plain net.) So weight normalization also sets the length of the steps,
# unit by unit. A fair comparison tunes the rate of every net (question 2).

# %% tags=["nbval-check-output"]
try:
    compile(r"\mean, var = moments(t)", "the memo", "exec")
except SyntaxError as error:
    print(error.msg)

# %% [markdown]
# **Times in place of divided by.** An output $y = g\,t + b$ with $g = 1/\sigma$ has mean 0 if $b = -\mu/\sigma$. In the second layer the memo has
# $b = -\mu\cdot\sigma$.


# %%
class Times(WeightNorm):
    def initialize(self, mean, deviation):
        self.weights |= {"g": 1 / deviation, "b": -mean * deviation}


# %% [markdown]
# **The first step is special.** In this step, $g$ and $b$ are computed from the batch and assigned. They are assigned again each time that loss or
# accuracy is computed. No gradient passes through an assignment, so step 1 trains $v$ alone.


# %%
class FirstStepAlone(WeightNorm):
    first = True

    def backward(self, dy):
        dx = super().backward(dy)
        if self.first:
            self.gradients = {"v": self.gradients["v"]}
            self.first, self.from_data = False, True  # the next forward pass assigns g and b once more
        return dx


# %% [markdown]
# **One scale for each place in the batch.** The memo's layer normalization gives $\gamma$ and $\beta$ the shape (batch size). So the first image of a
# batch gets the first scale, whichever image it is. Such a net can only be tested on 128 images at a time.


# %%
class PerPlace(Normalized):
    def __init__(self, w):
        super().__init__(w, axis=1)
        self.weights |= {"gamma": np.ones((128, 1), w.dtype), "beta": np.zeros((128, 1), w.dtype)}

    def backward(self, dy):
        dx = super().backward(dy)
        gamma, beta = (dy * self.t_hat).sum(axis=1, keepdims=True), dy.sum(axis=1, keepdims=True)
        self.gradients |= {"gamma": gamma, "beta": beta}
        return dx


class InBlocks(Net):
    def forward(self, x, training=True):
        if training:
            return super().forward(x)
        filled = np.concatenate([x, np.zeros((-len(x) % 128, 784), x.dtype)])
        blocks = np.split(filled, len(filled) // 128)
        return np.concatenate([Net.forward(self, block) for block in blocks])[: len(x)]


# %% [markdown]
# **What do these three slips cost?** We compare each with the layer as its paper defines it.

# %%
slips = {
    "b = −μ·σ in the second layer": lambda w1, w2: Net(WeightNorm(w1, True), Times(w2, True)),
    "step 1 trains v alone": lambda w1, w2: Net(FirstStepAlone(w1, True), FirstStepAlone(w2, True)),
    "γ and β for each place": lambda w1, w2: InBlocks(PerPlace(w1), Dense(w2)),
}
slipped = train_all(slips, 3, "three slips")
right = {name: runs[name][:3] for name in (INITIALISED, "layer normalization")}
mean_at({**right, **slipped}, "loss").round(4)

# %% [markdown]
# All of them learn. $b$ is trained like every other weight, so a wrong first value is soon corrected. The same is true of one step that trains $v$
# alone. And the batches are random, so each place sees the same kind of images, and the 128 scales stay close to each other. But a test of what the
# layer promises fails at once:

# %% tags=["nbval-check-output"]
w1, w2, batches = beginning(lesson.seed)
batch = x_train[batches[0]]
for name, second in [("as derived", WeightNorm(w2, True)), ("the memo's", Times(w2, True))]:
    outputs = Net(WeightNorm(w1, True), second).forward(batch)
    print(f"{name}: all outputs start with mean 0:", bool(np.abs(outputs.mean(axis=0)).max() < 1e-3))

try:
    PerPlace(w1).forward(x_test[:100])
except ValueError:
    print("100 images do not fit a layer with 128 scales")

# %%
per_place = slipped["γ and β for each place"][0]["net"]
answers = [np.exp(log_softmax(Net.forward(per_place, np.tile(image, (128, 1))))) for image in x_test[:200]]
ranges = [np.ptp(probabilities.max(axis=1)) for probabilities in answers]
print(f"the same image in 128 places: the net's largest probability varies by {max(ranges):.4f} at most")

# %% [markdown]
# **No running statistics.** The memo's batch normalization standardizes each image by the batch that it comes in, after training too. We put the test
# images into random batches of different sizes, and then into batches that hold one digit only. **How many images does the net read correctly? And what
# happens to a batch of one image?**

# %%
labels = y_test.argmax(axis=1)
rng = np.random.default_rng(lesson.seed)


def share_right(net, batches):
    right = [net.forward(x_test[batch]).argmax(axis=1) == labels[batch] for batch in batches]
    return np.concatenate(right).mean()


sizes = [2**k for k in range(8 if lesson.quick else 11)]
nets = [training["net"] for training in runs["batch normalization"]]
company = {}
for size in sizes:
    order = rng.permutation(len(x_test))[: min(len(x_test), 2000) // size * size].reshape(-1, size)
    company[size] = [share_right(net, order) for net in nets]
one_digit = [share_right(net, [np.flatnonzero(labels == digit) for digit in range(10)]) for net in nets]
running = [score(net.forward(x_test, training=False), y_test)[1] for net in nets]

# %% tags=["figure"] alt="Test accuracy of the nets with batch normalization against the number of images in a batch. With one image in a batch it is as low as by guessing. From a few dozen images on it is close to that with running statistics. In batches that hold one digit only it is much lower."
fig, ax = plt.subplots(figsize=(7.8, 4.2))
green = plotting.colour("batch normalization", ax)
ax.plot(sizes, list(company.values()), "D", color=green, alpha=0.4)
ax.plot(sizes, [np.mean(one) for one in company.values()], color=green, label="statistics of a random batch")
ax.axhline(np.mean(running), color="black", linestyle="--", label="running statistics")
ax.plot(
    [1000] * len(nets),
    one_digit,
    "X",
    color=plotting.OTHERS[2],
    label="a batch of one digit only (about 1,000)",
)
ax.axhline(0.1, color="grey", linestyle=":", label="guessing")
ax.set_xscale("log", base=2)
ax.set_xticks(sizes[::2], sizes[::2])
ax.yaxis.set_major_formatter(plotting.PercentFormatter(1))
ax.set(xlabel="images in a batch", ylabel="test accuracy", ylim=(0, 1.02))
ax.set_title("Without running statistics, the answer depends on the rest of the batch")
ax.legend(loc="center right", fontsize=9)
plt.show()

# %% [markdown]
# In a batch of one image, $t$ is its own mean. So $t - \mu = 0$ and $y = \beta$, whatever the image shows: every image gets the same answer. In a large
# random batch the statistics are close to those of all images. A batch of one digit is large too, but not mixed. What its images have in common is in
# the mean, and the mean is subtracted. A test set sorted by class gives such batches. Running statistics avoid the problem.
#
# **No test accuracy.** The memo measures training batches only. Our lower right panel above shows the test accuracy of the five nets.
#
# ## The memo's future work: a convolution
#
# The memo leaves convolutions and LSTMs for later. (The LSTM is exercise 4.) In a convolution, weight normalization works as before, with another
# product. $\lVert v\rVert$ is taken over all axes but the last, and so are the mean and variance of the initialization.


# %%
class KerasWeightNormConv(keras.layers.Layer):
    def __init__(self, filters):
        super().__init__()
        self.filters = filters

    def build(self, shape):
        kernel = (5, 5, shape[-1], self.filters)
        self.v = self.add_weight(name="v", shape=kernel, initializer="glorot_uniform")
        self.g = self.add_weight(name="g", shape=(self.filters,), initializer="ones")
        self.b = self.add_weight(name="b", shape=(self.filters,), initializer="zeros")

    def t(self, x):
        v = tf.convert_to_tensor(self.v)
        length = tf.sqrt(tf.reduce_sum(v**2, axis=(0, 1, 2)))
        return tf.nn.conv2d(x, v / length, strides=1, padding="VALID")

    def call(self, x):
        return self.g * self.t(x) + self.b

    def initialize(self, x):
        mean, variance = tf.nn.moments(self.t(x), axes=(0, 1, 2))
        self.g.assign(1 / tf.sqrt(variance + 1e-10))
        self.b.assign(-mean / tf.sqrt(variance + 1e-10))


# %%
def convolutional(kind, seed, rate):
    """Test accuracy after one epoch."""
    keras.utils.set_random_seed(seed)
    first = KerasWeightNormConv(16) if kind == INITIALISED else keras.layers.Conv2D(16, 5)
    rest = [keras.layers.ReLU(), keras.layers.MaxPooling2D(), keras.layers.Flatten(), keras.layers.Dense(10)]
    net = keras.Sequential([keras.Input((28, 28, 1)), first, *rest])
    if kind == INITIALISED:
        first.initialize(pixels_train[:128])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"])
    fit(net, pixels_train, y_train, batch_size=128, epochs=1, verbose=0)
    return net.evaluate(pixels_test, y_test, batch_size=500, verbose=0)[1]


pixels_train, pixels_test = x_train.reshape(-1, 28, 28, 1), x_test.reshape(-1, 28, 28, 1)
tried = {"plain": ("plain", 0.1), "plain, rate 0.5": ("plain", 0.5), INITIALISED: (INITIALISED, 0.1)}
seeds = lesson.seeds(3)[:1] if lesson.quick else lesson.seeds(3)
reached = {name: [] for name in tried}
for name, seed in progress_bar([(name, seed) for name in tried for seed in seeds], "convolutions"):
    reached[name].append(convolutional(tried[name][0], seed, tried[name][1]))

# %% tags=["figure"] alt="Three rows of dots with the test accuracy of a convolutional net after one epoch. From top to bottom: plain, plain with rate 0.5, weight normalization with the initialization."
ax = plotting.seed_dots(reached)
ax.xaxis.set_major_formatter(plotting.PercentFormatter(1))
ax.set(xlabel="test accuracy after one epoch; a dot for each seed")
ax.set_title("A convolution: here too, compare with longer steps")
plt.show()

# %% [markdown]
# Compare the first row with the last, both at the memo's rate. Then compare both with the second row, the plain net with longer steps. As before, a
# comparison at one rate mixes two things: the method, and the length of its steps.

# %% [markdown]
# ## Verdicts
#
# The memo's claim and two questions of this course, measured over several seeds on two software stacks, in full mode on the real MNIST. The five nets
# use NumPy only, so for the same seed both stacks give the same numbers, except for rounding. Count them as one confirmation.

# %% tags=["verdicts", "nbval-check-output"]
lesson.verdicts("04_normalization_by_hand")

# %% [markdown]
# ## What to take away
#
# - The gradient of a normalization has three paths: direct, through the mean, and through the deviation. Paths 2 and 3 remove the two directions that
#   the layer undoes anyway.
# - Check a derivation by automatic differentiation, at parameters that are not 0 or 1. Make sure that the check can fail.
# - Weight normalization is a parametrisation *and* an initialization. From the same starting function, the parametrisation alone changes little here.
# - Much of “learns faster” was a longer step. Compare methods at a rate that suits each.
# - A learning curve shows few of these slips. Test what a layer promises: outputs of mean 0, any batch size, the same answer in any batch.
#
# **Today** you would write `keras.layers.BatchNormalization` or `LayerNormalization`, both with ε `1e-3`, and leave the gradient to automatic
# differentiation. For weight normalization the course has a layer of its own ([lesson 05](05_weight_normalization.ipynb)).

# %% [markdown]
# ## Questions
#
# Answer in a sentence or two before you unfold ours.
#
# **1.** You train batch normalization twice, with path 1 only and with the right gradient, from the same weights and on the same batches. What is equal
# at the first step? Which gradients are wrong? Why does the net learn at all?
#
# <details><summary>An answer</summary>
#
# The forward pass is the same, so the first losses are equal. The gradients of $\gamma$, of $\beta$ and of the layer above are equal too, because they
# do not go through $\mu$ and $\sigma$. $\bar t$ is wrong. So $\bar w$ is wrong, and so is every gradient below this layer. The wrong $\bar t$ is the
# right one plus two other parts, along $(1, \ldots, 1)$ and along $\hat t$. The net learns from the right part.
#
# </details>
#
# **2.** To be fair, you try four rates for each method. You keep the one with the best test accuracy after 2,000 steps. What could a reviewer still
# criticise?
#
# <details><summary>An answer</summary>
#
# The test images chose the rate, so the net's accuracy on them is no longer that on new images. Choose by validation images; 5,000 images are free for
# this. If the best rate is the largest or the smallest that you tried, a better one may lie outside. The best rate after 2,000 steps need not be the
# best after 100. And with one seed you cannot tell a better rate from a lucky one.
#
# </details>
#
# **3.** Multiplying a column of $w$ by a constant does not change the output of batch normalization, apart from $\varepsilon$. What does that say about
# $\bar w \cdot w$ for each column? And what happens to the length of the column during gradient descent?
#
# <details><summary>An answer</summary>
#
# The loss does not change along the column itself, so the gradient has no part in that direction: $\bar w \cdot w = 0$. A step perpendicular to the
# column makes it longer, by Pythagoras. The gradient is inversely proportional to the length of the column. So the longer the column, the shorter the
# steps: the effective learning rate falls by itself. The same is true of the vector $v$ of weight normalization.
#
# </details>
#
# **4.** Our normalized layers have $\gamma$ and $\beta$, but add no bias $b$ to $t$. What would be the gradient of such a bias in batch normalization?
# And in layer normalization?
#
# <details><summary>An answer</summary>
#
# In batch normalization it is zero: $\bar b$ is the sum of $\bar t$ over the examples, and path 2 has removed the mean of $\bar t$. Forward, the layer
# subtracts each unit's own mean, and the bias with it. Layer normalization subtracts the mean over the units, so it removes only what the biases of all
# units have in common. Their gradients add up to zero, but each of them can differ from zero.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Exercises 1 to 3 have a cell to fill in and a check below it. The check tries your code on inputs of its own and answers in a sentence. In exercise 4
# you predict a result. The solutions are in [a notebook of their own](solutions/04_normalization_by_hand.ipynb); any code that does what the card asks
# passes.

# %% tags=["given"]
import matplotlib.pyplot as plt
import numpy as np

from course_utils.checks import check
from course_utils.data import load_mnist

# %% [markdown] tags=["exercise"]
# ### 1 · Gradients without a formula
#
# *15 minutes.* **What.** Write `numerical_gradient`: the gradient of `loss`, a function from an array to a number, at `x`. For each entry of `x`,
# compute the loss with this entry a small step larger, and a small step smaller. Divide the difference of the two losses by twice the step. `x` may
# have any shape, and hold single precision or whole numbers; it must not be changed.
#
# **Why.** The lesson's derivations were checked by automatic differentiation. This check needs no framework.


# %% tags=["exercise"]
def numerical_gradient(loss, x, step=1e-6):
    """The gradient of loss at x by differences of both sides: an array of x's shape, in double precision."""
    ...


# %% tags=["solution"]
def numerical_gradient(loss, x, step=1e-6):
    """The gradient of loss at x by differences of both sides: an array of x's shape, in double precision."""
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        up, down = x.astype("float64"), x.astype("float64")
        up[place] += step
        down[place] -= step
        gradient[place] = (loss(up) - loss(down)) / (2 * step)
    return gradient


# %% tags=["check"]
check("numerical_gradient")

# %% tags=["solution"]
rng = np.random.default_rng(42)
x, dy, w = rng.normal(size=(6, 5)), rng.normal(size=(6, 4)), rng.normal(size=(5, 4))


def by_hand(axis):
    layer = Normalized(w, axis)
    layer.forward(x)
    layer.backward(dy)
    return layer.gradients["w"]


def by_differences(axis, precision="float64", step=1e-6):
    x_there, dy_there = x.astype(precision), dy.astype(precision)
    return numerical_gradient(
        lambda w: (dy_there * Normalized(w.astype(precision), axis).forward(x_there)).sum(), w, step
    )


# %% tags=["solution"]
def relative_error(axis, *options):
    exact = by_hand(axis)
    return np.abs(by_differences(axis, *options) - exact).max() / np.abs(exact).max()


print(f"batch normalization, by hand and by differences: {relative_error(axis=0):.0e} apart")
print(f"layer normalization, by hand and by differences: {relative_error(axis=1):.0e} apart")

# %% tags=["solution", "figure"] alt="Relative error of the numerical gradient against the step, both axes logarithmic, in single and double precision. Each curve falls and rises again; in single precision its lowest point is much higher and lies at a longer step."
steps = 10.0 ** np.arange(-9, 0.5, 0.5)
fig, ax = plt.subplots()
for precision, marker, colour in [("float32", "s", "C1"), ("float64", "o", "C0")]:
    errors = [relative_error(1, precision, step) for step in steps]
    label = {"float32": "single precision", "float64": "double precision"}[precision]
    ax.loglog(steps, errors, marker=marker, color=colour, label=label)
ax.set(xlabel="step", ylabel="worst relative error of the gradient", ylim=(1e-12, 1e3))
ax.set_title("Short steps suffer from rounding, long ones from curvature")
ax.legend()
plt.show()

# %% [markdown] tags=["solution"]
# Read the figure from right to left. First the error falls with the square of the step: the second derivative cancels between the two sides, and the
# third remains. Then rounding errors dominate. The division by a shorter step makes them larger. In double precision there is a wide range of good
# steps, in single precision a narrow one. So use double precision for a check by differences.

# %% [markdown] tags=["exercise"]
# ### 2 · The gradient of RMS normalization
#
# *25 minutes.* **What.** RMS normalization divides each example by $r = \sqrt{\langle x^2\rangle + \varepsilon}$, with the mean over its features, and
# subtracts nothing: $y = \gamma\,x/r$. Write `rms_backward`, which gets $\bar y$ and gives $\bar x$ and $\bar\gamma$. First count the paths from $x_i$
# to the loss. With exercise 1 you can test whether you found them all.
#
# **Why.** Many large language models use this normalization. And you learn to derive gradients by deriving one.


# %% tags=["exercise"]
def rms_backward(dy, x, gamma, epsilon=1e-6):
    """dx and dgamma from dy, for y = gamma * x / r; dy, x, dx: (examples, features), gamma: (features,)."""
    ...


# %% tags=["solution"]
def rms_backward(dy, x, gamma, epsilon=1e-6):
    """dx and dgamma from dy, for y = gamma * x / r; dy, x, dx: (examples, features), gamma: (features,)."""
    r = np.sqrt((x**2).mean(axis=1, keepdims=True) + epsilon)
    x_hat = x / r
    dx_hat = gamma * dy
    stretch = (dx_hat * x_hat).mean(axis=1, keepdims=True)
    return (dx_hat - x_hat * stretch) / r, (dy * x_hat).sum(axis=0)


# %% tags=["check"]
check("rms_backward")

# %% tags=["solution"]
x, dy = rng.normal(1, 1, (200, 8)), rng.normal(size=(200, 8))
layer_norm = Normalized(np.eye(8), axis=1)  # with w = 1 its t is x
layer_norm.forward(x)
gradients = {"RMS": rms_backward(dy, x, np.ones(8))[0], "layer": layer_norm.backward(dy)}


def largest_cosine(a, b):
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.abs((a * b).sum(axis=1) / lengths).max()


print("normalization   gradient and x   gradient and (1, …, 1)   (largest cosine over 200 examples)")
for name, dx in gradients.items():
    print(f"{name:14}{largest_cosine(dx, x):16.3f}{largest_cosine(dx, np.ones_like(x)):25.3f}")

# %% [markdown] tags=["solution"]
# There are two paths: directly, and through $r$. Rescaling an example changes the output of neither normalization, so both gradients are perpendicular
# to $x$. Adding a constant leaves the output unchanged only in layer normalization. So only its gradient is also perpendicular to $(1, \ldots, 1)$. RMS
# normalization subtracts no mean, so its gradient has no term for one.

# %% [markdown] tags=["exercise"]
# ### 3 · Statistics for inference
#
# *20 minutes.* **What.** You know three things about each batch: the mean of every unit, its variance, and the number of images. Write
# `pooled_statistics`, which gives the mean and the variance over *all* images. The result has to be exact, for batches of different sizes, and however
# the images are divided into batches.
#
# **Why.** Batch normalization needs the mean and variance of all images after training, when all images may not fit into memory. The lesson's running
# averages are means of the batches' variances. Is that the variance of all images?


# %% tags=["exercise"]
def pooled_statistics(means, variances, sizes):
    """Mean and variance of all images, (units,) each; means, variances: (batches, units), sizes: (batches,)."""
    ...


# %% tags=["solution"]
def pooled_statistics(means, variances, sizes):
    """Mean and variance of all images, (units,) each; means, variances: (batches, units), sizes: (batches,)."""
    share = (sizes / sizes.sum())[:, None]
    mean = (share * means).sum(axis=0)
    within = (share * variances).sum(axis=0)
    between = (share * (means - mean) ** 2).sum(axis=0)
    return mean, within + between


# %% tags=["check"]
check("pooled_statistics")

# %% tags=["solution"]
mnist = lesson.data(load_mnist(validation=5_000))
images = mnist.x_train.reshape(len(mnist.x_train), -1) / np.float32(255)
t = images @ rng.normal(0, 784**-0.5, (784, 128)).astype("float32")  # what a first layer would normalize


def estimates(order, size):
    batches = t[order[: len(order) // size * size]].reshape(-1, size, t.shape[1]).astype("float64")
    means, variances = batches.mean(axis=1), batches.var(axis=1)
    pooled = pooled_statistics(means, variances, np.full(len(means), size))[1]
    true = batches.var(axis=(0, 1))
    return variances.mean(axis=0) / true, pooled / true


# %% tags=["solution"]
sizes = [2**k for k in range(0, 7 if lesson.quick else 11)]
orders = {"random": rng.permutation(len(t)), "sorted by digit": np.argsort(mnist.y_train, kind="stable")}
found = {name: np.array([estimates(order, size) for size in sizes]) for name, order in orders.items()}
gap = max(np.abs(ratios[:, 1] - 1).max() for ratios in found.values())
print(f"pooled, in either order: every unit within {gap:.0e} of its true variance, relatively")

# %% tags=["solution", "figure"] alt="Estimated over true variance against the images in a batch. The average of the batches' variances is too small: in random order for small batches only, sorted by digit at every size. The pooled estimate is one everywhere."
fig, ax = plt.subplots()
for (name, ratios), marker, colour in zip(found.items(), "os", ("C0", "C1")):
    averaged, pooled = np.median(ratios, axis=2).T
    ax.plot(sizes, averaged, marker=marker, color=colour, label=f"variances averaged, {name}")
ax.plot(sizes, pooled, "D--", color="black", markerfacecolor="white", label="pooled, sorted by digit")
ax.set_xscale("log", base=2)
ax.set_xticks(sizes[::2], sizes[::2])
ax.set(xlabel="images in a batch", ylabel="estimated ÷ true variance", ylim=(0, 1.1))
ax.set_title("The average leaves out how the batches' means differ")
ax.legend(loc="lower right")
plt.show()

# %% [markdown] tags=["solution"]
# Each point is the median over the 128 units. The averaged variances leave out the differences between the batches' means. In random order that matters
# for small batches: with $m$ images in a batch the share $1/m$ is missing, and the factor $m/(m-1)$ of Ioffe and Szegedy corrects it. With images
# sorted by digit, a gap remains at every size drawn here, because the digits differ *between* the batches. The pooled variance is right in both orders.

# %% [markdown] tags=["exercise"]
# ### 4 · Predict, run, explain: an LSTM
#
# *20 minutes.* **What.** The LSTM is the other part of the memo's future work. Ours reads each image row by row, in 28 time steps. At each step its
# *forget gate* decides how much of the cell's memory is kept. The gate's bias starts at 1 in Keras, and at 0 in many cells written by hand. The
# layer-normalized cell standardizes, over the units, the sums that enter the gates. The cell below trains four nets: without and with normalization,
# each with both starts of the bias. **Write down the order of the four that you expect.** Then run it. How much of the difference between the first and
# the last row comes from the normalization?
#
# **Why.** If two nets differ in two things, a comparison credits both to the method.


# %% tags=["given"]
def standardize(t):
    mean, variance = tf.nn.moments(t, axes=[1], keepdims=True)
    return (t - mean) / tf.sqrt(variance + 1e-5)


class Cell(keras.layers.Layer):
    def __init__(self, units, normalize, forget_bias):
        super().__init__()
        self.units, self.normalize, self.forget_bias = units, normalize, forget_bias
        self.state_size, self.output_size = [units, units], units

    def build(self, shape):
        wide = 4 * self.units
        self.w = self.add_weight(name="w", shape=(shape[-1], wide), initializer="glorot_uniform")
        self.u = self.add_weight(name="u", shape=(self.units, wide), initializer="orthogonal")
        self.b = self.add_weight(name="b", shape=(wide,), initializer="zeros")
        if self.normalize:
            self.gain_x = self.add_weight(name="gain_x", shape=(wide,), initializer="ones")
            self.gain_h = self.add_weight(name="gain_h", shape=(wide,), initializer="ones")

    def call(self, x, states):
        h, c = states
        from_x, from_h = x @ self.w, h @ self.u
        if self.normalize:
            from_x, from_h = self.gain_x * standardize(from_x), self.gain_h * standardize(from_h)
        i, f, new, o = tf.split(from_x + from_h + self.b, 4, axis=1)
        c = tf.sigmoid(f + self.forget_bias) * c + tf.sigmoid(i) * tf.tanh(new)
        h = tf.sigmoid(o) * tf.tanh(c)
        return h, [h, c]


# %% tags=["predict"]
mnist = lesson.data(load_mnist(validation=5_000))
rows_train, rows_test = mnist.x_train / np.float32(255), mnist.x_test / np.float32(255)
reached = {}
kinds = [("plain", False), ("layer-normalized", True)]
plan = [
    (kind, bias, seed) for kind in kinds for bias in (0, 1) for seed in lesson.seeds(1 if lesson.quick else 3)
]
for (name, normalize), bias, seed in progress_bar(plan, "four LSTMs"):
    keras.utils.set_random_seed(seed)
    recurrent = keras.layers.RNN(Cell(64, normalize, bias))
    net = keras.Sequential([keras.Input((28, 28)), recurrent, keras.layers.Dense(10, activation="softmax")])
    net.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    fit(net, rows_train, mnist.y_train, batch_size=128, epochs=1, verbose=0)
    test = net.evaluate(rows_test, mnist.y_test, batch_size=500, verbose=0)[1]
    reached.setdefault((name, bias), []).append(test)

table = pd.DataFrame({key: [np.mean(v), min(v), max(v)] for key, v in reached.items()}).T
table.rename_axis(["cell", "forget bias"]).set_axis(["mean", "lowest", "highest"], axis=1).round(4)

# %% [markdown] tags=["exercise"]
# <details><summary>Our explanation</summary>
#
# First compare the two rows without normalization. They differ only in the first value of the forget bias. With a bias of 0 the gate keeps about half
# of the memory at each step, because the sigmoid of 0 is $1/2$. Over 27 steps that leaves $2^{-27}$. So the net forgets the upper rows of an image, and
# their gradient is as small. With a bias of 1 the gate keeps about $0.73$ at each step, which leaves about $3 \cdot 10^4$ times as much. Then compare
# plain and normalized at the same bias. Only that difference comes from the normalization. If you compare a plain cell with bias 0 with a better cell,
# you measure mostly the bias.
#
# </details>

# %% [markdown]
# ## References
#
# - S. Ioffe, C. Szegedy, *Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift*, 2015,
#   [arXiv:1502.03167](https://arxiv.org/abs/1502.03167): the layer, its gradient, and population statistics at inference.
# - J. L. Ba, J. R. Kiros, G. E. Hinton, *Layer Normalization*, 2016, [arXiv:1607.06450](https://arxiv.org/abs/1607.06450): statistics over the units,
#   gains and biases for each unit, and the recurrent form.
# - T. Salimans, D. P. Kingma, *Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural Networks*, 2016,
#   [arXiv:1602.07868](https://arxiv.org/abs/1602.07868): length and direction, their gradients, and the initialization from data.
