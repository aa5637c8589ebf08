"""Answers to lesson 07's exercises."""

import numpy as np

from answers import right, wrong

# --- stable_rate ------------------------------------------------------------------------------------------


@right("stable_rate")
def by_singular_values(x):
    return len(x) / np.linalg.norm(np.asarray(x, "float32"), ord=2) ** 2


@right("stable_rate")
def by_turning_again_and_again(x):
    v = np.arange(1.0, x.shape[1] + 1)
    for _ in range(2000):
        v = x.T @ (x @ v)
        size = np.sqrt(v @ v)
        v = v / size
    return 2 / (2 * size / len(x))


@right("stable_rate")
def by_trying_rates(x):
    low, high = 1e-3, 1e2
    for _ in range(25):
        rate = np.sqrt(low * high)
        w = np.cos(np.arange(x.shape[1]))
        for _ in range(300):
            w = w - rate * 2 / len(x) * x.T @ (x @ w)
            w = w / np.linalg.norm(w)
        after = np.linalg.norm(w - rate * 2 / len(x) * x.T @ (x @ w))
        low, high = (low, rate) if after > 1.001 else (rate, high)
    return low


def largest(matrix):
    return np.linalg.eigvalsh(matrix)[-1]


@wrong("stable_rate", says="the factor 2 of the square's derivative is missing")
def without_the_two(x):
    return 2 / largest(x.T @ x / len(x))


@wrong("stable_rate", says="that rate reaches the minimum in one step")
def one_over_the_curvature(x):
    return 1 / largest(2 * x.T @ x / len(x))


@wrong("stable_rate", says="Keras takes the mean")
def for_the_sum(x):
    return 2 / largest(2 * x.T @ x)


@wrong("stable_rate", says="left out the factor 2")
def for_the_sum_without_the_two(x):
    return 2 / largest(x.T @ x)


@wrong("stable_rate", says="you used the smallest eigenvalue")
def the_first_eigenvalue(x):
    return len(x) / np.linalg.eigvalsh(x.T @ x)[0]


@wrong("stable_rate", says="you looked at the diagonal only")
def the_largest_input(x):
    return 1 / np.mean(x**2, axis=0).max()


@wrong("stable_rate", says="you used the trace")
def the_trace(x):
    return 1 / np.mean(np.sum(x**2, axis=1))


@wrong("stable_rate", says="you used a singular value of the inputs")
def a_singular_value(x):
    return len(x) / np.linalg.svd(x, compute_uv=False)[0]


@wrong("stable_rate", says="divides by n - 1")
def from_the_covariance(x):
    return 2 / largest(2 * np.cov(x.T))


@wrong("stable_rate", says="you took the mean over the inputs")
def the_other_count(x):
    return x.shape[1] / largest(x.T @ x)


# --- adam_step --------------------------------------------------------------------------------------------


@right("adam_step")
def as_keras_does(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999, decay=0.0):
    w -= rate * decay * w
    m += (g - m) * (1 - beta_1)
    s += (g * g - s) * (1 - beta_2)
    w -= m * (rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)) / (np.sqrt(s) + 1e-7)
    return w, m, s


@right("adam_step")
def in_single_precision_with_epsilon_under_the_root(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999, decay=0.0):
    w, m, s, g = (np.asarray(one, "float32") for one in (w, m, s, g))
    m = beta_1 * m + (1 - beta_1) * g
    s = beta_2 * s + (1 - beta_2) * np.square(g)
    step = (m / (1 - beta_1**t)) / np.sqrt(s / (1 - beta_2**t) + 1e-8)
    return [w - rate * (step + decay * w), m, s]


@right("adam_step")
def one_weight_after_the_other(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999, decay=0.0):
    w, m, s = (1 - rate * decay) * w, m.copy(), s.copy()
    for i in np.ndindex(w.shape):
        m[i] = beta_1 * m[i] + (1 - beta_1) * g[i]
        s[i] = beta_2 * s[i] + (1 - beta_2) * g[i] ** 2
        if s[i]:
            w[i] -= rate * m[i] / (1 - beta_1**t) / (s[i] / (1 - beta_2**t)) ** 0.5
    return w, m, s


def memory(m, s, g, beta_1, beta_2):
    return beta_1 * m + (1 - beta_1) * g, beta_2 * s + (1 - beta_2) * g**2


@wrong("adam_step", says="you did not correct m and s for their start at zero")
def uncorrected(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    m, s = memory(m, s, g, beta_1, beta_2)
    return w - rate * m / (np.sqrt(s) + 1e-7), m, s


@wrong("adam_step", says="you corrected m but not s for its start at zero")
def half_corrected(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    m, s = memory(m, s, g, beta_1, beta_2)
    return w - rate * m / (1 - beta_1**t) / (np.sqrt(s) + 1e-7), m, s


@wrong("adam_step", says="left out the square root")
def without_the_root(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    m, s = memory(m, s, g, beta_1, beta_2)
    return w - rate * (m / (1 - beta_1**t)) / (s / (1 - beta_2**t) + 1e-7), m, s


@wrong("adam_step", says="you returned the corrected m")
def corrected_twice(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    m, s = memory(m, s, g, beta_1, beta_2)
    m = m / (1 - beta_1**t)
    s = s / (1 - beta_2**t)
    return w - rate * m / (np.sqrt(s) + 1e-7), m, s


@wrong("adam_step", says="you used t - 1 as the exponent")
def counted_from_zero(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    t = t - 1
    m, s = memory(m, s, g, beta_1, beta_2)
    return w - rate * (m / (1 - beta_1**t)) / (np.sqrt(s / (1 - beta_2**t)) + 1e-7), m, s


@wrong("adam_step", says="you left out the exponent t in 1 - beta ** t")
def without_the_power(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    m, s = memory(m, s, g, beta_1, beta_2)
    return w - rate * (m / (1 - beta_1)) / (np.sqrt(s / (1 - beta_2)) + 1e-7), m, s


@wrong("adam_step", says="you wrote 0.9 into the function")
def with_numbers_in_it(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    return as_keras_does(w, m, s, g, t, rate, 0.9, 0.999)


@wrong("adam_step", says="you exchanged the two")
def swapped(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    return as_keras_does(w, m, s, g, t, rate, beta_2, beta_1)


@wrong("adam_step", says="you used the absolute gradient")
def with_the_size(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    new = as_keras_does(w, m.copy(), s.copy(), g, t, rate, beta_1, beta_2)
    return new[0], new[1], beta_2 * s + (1 - beta_2) * np.abs(g)


@wrong("adam_step", says="add ε to the root")
def without_epsilon(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    m, s = memory(m, s, g, beta_1, beta_2)
    return w - rate * (m / (1 - beta_1**t)) / np.sqrt(s / (1 - beta_2**t)), m, s


@wrong("adam_step", says="expected 3 values (new w, new m, new s)")
def weights_only(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    return as_keras_does(w, m, s, g, t, rate, beta_1, beta_2)[0]


@wrong("adam_step", says="you added the step")
def uphill(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    new, m, s = as_keras_does(w.copy(), m, s, g, t, rate, beta_1, beta_2)
    return 2 * w - new, m, s


@wrong("adam_step", says="your m has the other sign")
def with_a_velocity(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999, decay=0.0):
    m, s = beta_1 * m - (1 - beta_1) * g, beta_2 * s + (1 - beta_2) * g**2
    return w + rate * (m / (1 - beta_1**t)) / (np.sqrt(s / (1 - beta_2**t)) + 1e-7), m, s


@wrong("adam_step", says="you added the decay to the gradient")
def with_a_penalty(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999, decay=0.0):
    return as_keras_does(w, m, s, g + decay * w, t, rate, beta_1, beta_2)


@wrong("adam_step", says="the weights did not shrink")
def without_decay(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999, decay=0.0):
    return as_keras_does(w, m, s, g, t, rate, beta_1, beta_2)


@wrong("adam_step", says="you left out the rate")
def shrunk_too_much(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999, decay=0.0):
    new, m, s = as_keras_does(w.copy(), m, s, g, t, rate, beta_1, beta_2)
    return new - decay * w, m, s


@wrong("adam_step", says="you shrank the weights after the step")
def shrunk_afterwards(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999, decay=0.0):
    new, m, s = as_keras_does(w, m, s, g, t, rate, beta_1, beta_2)
    return (1 - rate * decay) * new, m, s


# --- clip_together ----------------------------------------------------------------------------------------


@right("clip_together")
def by_one_long_vector(gradients, limit):
    whole = np.concatenate([np.ravel(gradient) for gradient in gradients])
    norm = np.linalg.norm(whole)
    if norm > limit:
        whole = whole * (limit / norm)
    ends = np.cumsum([gradient.size for gradient in gradients])[:-1]
    return [part.reshape(np.shape(g)) for part, g in zip(np.split(whole, ends), gradients, strict=True)]


@right("clip_together")
def in_place_by_the_larger(gradients, limit):
    norm = sum((gradient**2).sum() for gradient in gradients) ** 0.5
    for gradient in gradients:
        gradient *= limit / max(norm, limit)
    return tuple(gradients)


@right("clip_together")
def by_tensorflow(gradients, limit):
    import tensorflow as tf

    return tf.clip_by_global_norm([tf.constant(gradient, tf.float32) for gradient in gradients], limit)[0]


@right("clip_together")
def by_keras(gradients, limit):
    import keras
    import tensorflow as tf

    weights = [tf.Variable(tf.zeros(gradient.shape)) for gradient in gradients]
    steps = [(tf.constant(gradient, tf.float32), w) for gradient, w in zip(gradients, weights, strict=True)]
    keras.optimizers.SGD(1.0, global_clipnorm=limit).apply_gradients(steps)
    return [-w for w in weights]


@wrong("clip_together", says="you clipped each gradient by its own norm")
def each_by_its_norm(gradients, limit):
    return [gradient * min(1, limit / max(np.linalg.norm(gradient), 1e-12)) for gradient in gradients]


@wrong("clip_together", says="you clipped each component")
def by_value(gradients, limit):
    return [np.clip(gradient, -limit, limit) for gradient in gradients]


@wrong("clip_together", says="you lengthened gradients that are short enough")
def always_to_the_limit(gradients, limit):
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
    return [gradient * limit / norm for gradient in gradients]


@wrong("clip_together", says="you added the norms")
def by_the_sum_of_norms(gradients, limit):
    norm = sum(np.linalg.norm(gradient) for gradient in gradients)
    return [gradient * limit / max(norm, limit) for gradient in gradients]


@wrong("clip_together", says="`norm(g, 2)` of a matrix is its largest singular value")
def by_the_spectral_norm(gradients, limit):
    norm = np.sqrt(sum(np.linalg.norm(gradient, 2) ** 2 for gradient in gradients))
    return [gradient * limit / max(norm, limit) for gradient in gradients]


@wrong("clip_together", says="you took `norm(g, 2)`, the largest singular value, of each matrix by itself")
def each_by_its_spectral_norm(gradients, limit):
    return [gradient * min(1, limit / max(np.linalg.norm(gradient, 2), 1e-12)) for gradient in gradients]


@wrong("clip_together", says="you used the sum of squares without its square root")
def by_the_squares(gradients, limit):
    squares = sum(np.sum(gradient**2) for gradient in gradients)
    return [gradient * min(1, limit / max(squares, 1e-12)) for gradient in gradients]


@wrong("clip_together", says="the largest component")
def by_the_largest_component(gradients, limit):
    largest = max(np.abs(gradient).max() for gradient in gradients)
    return [gradient * min(1, limit / max(largest, 1e-12)) for gradient in gradients]


@wrong("clip_together", says="the longest gradient")
def by_the_longest(gradients, limit):
    longest = max(np.linalg.norm(gradient) for gradient in gradients)
    return [gradient * min(1, limit / max(longest, 1e-12)) for gradient in gradients]


@wrong("clip_together", says="you took the mean of the squares")
def by_the_root_of_the_mean_square(gradients, limit):
    size = np.sqrt(np.mean(np.concatenate([np.ravel(gradient) for gradient in gradients]) ** 2))
    return [gradient * min(1, limit / max(size, 1e-12)) for gradient in gradients]


@wrong("clip_together", says="you divided by the norm but did not multiply by the limit")
def to_length_one(gradients, limit):
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
    return [gradient / norm for gradient in gradients] if norm > limit else gradients


@wrong("clip_together", says="return the gradients only")
def with_the_norm(gradients, limit):
    return by_one_long_vector(gradients, limit), np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
