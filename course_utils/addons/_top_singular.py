"""The direction of steepest descent in the nuclear-norm ball, without a singular value decomposition."""

from __future__ import annotations

import tensorflow as tf

# After k squarings the second singular value σ₂ counts (σ₂/σ₁)^(2·2^k): a gap of 1e-4 leaves 2e-6 of it.
# Commonly the gap is wide, and five or six do.
SQUARINGS = 16


def top_singular_product(tensor):
    """Return u vᵀ, the outer product of the singular vectors that belong to the largest singular value.

    A tensor of rank above two is taken as the matrix of shape ``(-1, last axis)``: for a convolution's
    kernel, one column per output channel. One of rank one or zero is a matrix of a single row, so its u vᵀ is
    the tensor divided by its length.

    The smaller one of GᵀG and G Gᵀ (G being the matrix) is squared again and again. All that
    remains is the projection onto the vector sought, and the other vector follows from it, with the right
    sign. Unlike a power iteration this needs no start vector, which could be a bad one. XLA, for which a
    singular value decomposition takes a second, does it in less than a millisecond.

    Args:
        tensor: a floating-point tensor, its shape known but for the number of rows.

    Returns:
        A tensor of the same shape and dtype. Its length is 1, and its nuclear norm too; of equal largest
        singular values it belongs to one, and always to the same. Zero for a tensor of zeros.

    Example:
        >>> top_singular_product(tf.constant([[0.0, -3.0], [1.0, 0.0]])).numpy().round(6) + 0.0
        array([[ 0., -1.],
               [ 0.,  0.]], dtype=float32)
        >>> top_singular_product(tf.constant([3.0, 4.0])).numpy()
        array([0.6, 0.8], dtype=float32)
    """
    matrix = tf.cast(tensor, tf.float32) if tensor.dtype.size < 4 else tensor
    matrix = tf.reshape(matrix, (-1, matrix.shape[-1]) if matrix.shape.rank > 1 else (1, -1))
    # So that no square overflows, and the largest never vanishes. 0/0 is 0 here and below.
    matrix = tf.math.divide_no_nan(matrix, tf.reduce_max(tf.abs(matrix)))
    rows, columns = matrix.shape
    if 1 in (rows, columns):
        product = _normalized(matrix)
    else:
        is_tall = rows is None or rows >= columns
        if not is_tall:
            matrix = tf.transpose(matrix)
        power = _to_high_power(tf.matmul(matrix, matrix, transpose_a=True))
        # This is v vᵀ, so each of its rows is a multiple of v, and the longest the best.
        v = _normalized(power[tf.argmax(tf.linalg.diag_part(power))])
        u = _normalized(tf.linalg.matvec(matrix, v))
        product = u[:, None] * v if is_tall else v[:, None] * u
    return tf.cast(tf.reshape(product, tf.shape(tensor)), tensor.dtype)


def _to_high_power(matrix):
    """Square a matrix until only its largest eigenvalue counts, its trace kept at 1."""

    def unfinished(count, trace, _):
        # A matrix of trace 1 whose square has trace 1 as well is of rank one. What 1e-4 lets through, the
        # squaring that measured it has squared already.
        return (count < SQUARINGS) & (trace < 1 - 1e-4)

    def square(count, _, power):
        power = tf.matmul(power, power)
        trace = tf.linalg.trace(power)
        return count + 1, trace, tf.math.divide_no_nan(power, trace)

    start = tf.math.divide_no_nan(matrix, tf.linalg.trace(matrix))
    # A loop, not sixteen copies of it, which XLA would take seconds to compile.
    return tf.while_loop(unfinished, square, (0, tf.zeros((), matrix.dtype), start))[2]


def _normalized(tensor):
    return tf.math.divide_no_nan(tensor, tf.norm(tensor))
