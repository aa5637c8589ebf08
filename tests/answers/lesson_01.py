"""Answers to lesson 01's exercises."""

import numpy as np

from answers import right, wrong

# --- dead_share -------------------------------------------------------------------------------------------


@right("dead_share")
def by_counting(activations):
    dead = 0
    for unit in range(activations.shape[1]):
        dead += not activations[:, unit].any()
    return dead / activations.shape[1]


@right("dead_share")
def by_the_largest_size(activations):
    return float((np.abs(activations).max(axis=0) == 0).mean())


@wrong("dead_share", says="wrong axis")
def over_images(activations):
    return np.mean(np.all(activations == 0, axis=1))


@wrong("dead_share", says="you counted every zero")
def zeros(activations):
    return np.mean(activations == 0)


@wrong("dead_share", says="zero for some image")
def any_image(activations):
    return np.mean(np.any(activations == 0, axis=0))


@wrong("dead_share", says="you counted the units that are not dead")
def alive(activations):
    return np.mean(np.any(activations != 0, axis=0))


@wrong("dead_share", says="you returned the number of dead units")
def a_number(activations):
    return np.sum(np.all(activations == 0, axis=0))


@wrong("dead_share", says="you divided by the number of images")
def over_the_rows(activations):
    return np.sum(np.all(activations == 0, axis=0)) / len(activations)


@wrong("dead_share", says="you counted negative outputs as dead")
def not_positive(activations):
    return np.mean(np.all(activations <= 0, axis=0))


# --- residual_factor --------------------------------------------------------------------------------------


@right("residual_factor")
def a_little_less(depth):
    return 0.5 / (1 + depth)


@right("residual_factor")
def by_trying(depth):
    return np.exp(1 / depth) - 1


@wrong("residual_factor", says="their means add up")
def the_count_of_variances(depth):
    return 1 / np.sqrt(depth)


@wrong("residual_factor", says="your factor does not get small enough as the depth grows")
def a_constant(depth):
    return 0.1


@wrong("residual_factor", says="each layer adds as much as it gets")
def none_at_all(depth):
    return 1.0


@wrong("residual_factor", says="your factor is negative")
def far_too_small(depth):
    return 10.0**-depth


# --- orthogonal -------------------------------------------------------------------------------------------


@right("orthogonal")
def by_singular_vectors(n_in, n_out, rng):
    u, _, v = np.linalg.svd(rng.standard_normal((n_in, n_out)), full_matrices=False)
    return u @ v


@right("orthogonal")
def by_gram_and_schmidt(n_in, n_out, rng):
    if n_in < n_out:
        return by_gram_and_schmidt(n_out, n_in, rng).T
    columns = []
    for _ in range(n_out):
        new = rng.uniform(-1, 1, n_in)
        for _ in range(2):
            for old in columns:
                new = new - (old @ new) * old
        columns.append(new / np.sqrt(new @ new))
    return np.stack(columns, axis=1)


@wrong("orthogonal", says="you returned R")
def the_other_factor(n_in, n_out, rng):
    return np.linalg.qr(rng.normal(size=(n_in, n_out)))[1]


@wrong("orthogonal", says="the Q of a wide matrix is square")
def not_transposed(n_in, n_out, rng):
    return np.linalg.qr(rng.normal(size=(n_in, n_out)))[0]


@wrong("orthogonal", says="not exactly orthogonal")
def only_normalized(n_in, n_out, rng):
    w = rng.normal(size=(n_in, n_out))
    return w / np.linalg.norm(w, axis=0)


@wrong("orthogonal", says="their lengths are not 1")
def scaled_like_he(n_in, n_out, rng):
    return by_singular_vectors(n_in, n_out, rng) * np.sqrt(2)


@wrong("orthogonal", says="you created a generator inside the function")
def always_the_same(n_in, n_out, rng):
    return by_singular_vectors(n_in, n_out, np.random.default_rng(0))


@wrong("orthogonal", says="rows and columns are exchanged")
def the_other_way(n_in, n_out, rng):
    return by_singular_vectors(n_out, n_in, rng)
