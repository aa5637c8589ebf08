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
def as_keras_does(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    m += (g - m) * (1 - beta_1)
    s += (g * g - s) * (1 - beta_2)
    w -= m * (rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)) / (np.sqrt(s) + 1e-7)
    return w, m, s


@right("adam_step")
def in_single_precision_with_epsilon_under_the_root(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    w, m, s, g = (np.asarray(one, "float32") for one in (w, m, s, g))
    m = beta_1 * m + (1 - beta_1) * g
    s = beta_2 * s + (1 - beta_2) * np.square(g)
    return [w - rate * (m / (1 - beta_1**t)) / np.sqrt(s / (1 - beta_2**t) + 1e-8), m, s]


@right("adam_step")
def one_weight_after_the_other(w, m, s, g, t, rate, beta_1=0.9, beta_2=0.999):
    w, m, s = w.copy(), m.copy(), s.copy()
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


# --- turned_gradient --------------------------------------------------------------------------------------


@right("turned_gradient")
def by_complex_numbers(gradient, w, angle):
    back = complex(*w) * np.exp(-1j * angle)
    slope = complex(*gradient([back.real, back.imag])) * np.exp(1j * angle)
    return [slope.real, slope.imag]


@right("turned_gradient")
def by_new_axes(gradient, w, angle):
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-np.sin(angle), np.cos(angle)])
    one, other = gradient(np.array([w @ along, w @ across]))
    return one * along + other * across


def turning(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@wrong("turned_gradient", says="you rotated clockwise")
def clockwise(gradient, w, angle):
    return turning(angle).T @ gradient(turning(angle) @ w)


@wrong("turned_gradient", says="you did not rotate the gradient")
def the_place_only(gradient, w, angle):
    return gradient(turning(-angle) @ w)


@wrong("turned_gradient", says="you took the gradient at the rotated weights")
def the_arrow_only(gradient, w, angle):
    return turning(angle) @ gradient(w)


@wrong("turned_gradient", says="you rotated the weights forward")
def both_forward(gradient, w, angle):
    return turning(angle) @ gradient(turning(angle) @ w)


@wrong("turned_gradient", says="you rotated both back")
def both_back(gradient, w, angle):
    return turning(-angle) @ gradient(turning(-angle) @ w)


@wrong("turned_gradient", says="in radians already")
def in_degrees(gradient, w, angle):
    return by_new_axes(gradient, w, np.deg2rad(angle))
