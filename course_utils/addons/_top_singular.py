"""The direction of steepest descent in the nuclear-norm ball, without a singular value decomposition."""

import tensorflow as tf

# After k squarings the second singular value σ₂ counts (σ₂/σ₁)^(2·2^k): a gap of 1e-4 leaves 2e-6 of it.
# Commonly the gap is wide, and five or six do.
SQUARINGS = 16


def top_singular_product(tensor):
    """Return u vᵀ, the outer product of the singular vectors that belong to the largest singular value.

    A tensor of rank above two is taken as the matrix of shape ``(-1, last axis)``: for a convolution's
    kernel, one column per output channel. One of rank one or zero is a matrix of a single row, so its u vᵀ is
    the tensor divided by its length.

    With G the matrix, the smaller one of GᵀG and G Gᵀ is squared again and again. What remains is the
    projection P onto the vector sought, and G P (or P G) is u vᵀ times the singular value, whose square is
    the trace of P GᵀG. Unlike a power iteration this needs no start vector, which could be a bad one. And XLA
    makes a fast program of it, where a singular value decomposition takes a second. (It is fast because
    nothing but matrix products follows the loop: XLA works a vector out anew for every element it goes into.)

    If several singular values are the largest, it is the mean of their products, which has the same nuclear
    norm, 1, and is as steep a direction. For a tensor of zeros it is zero. The result has the tensor's shape
    and dtype; the shape may be open in the number of rows.

    >>> top_singular_product(tf.constant([[0.0, -3.0], [1.0, 0.0]])).numpy().round(6) + 0.0
    array([[ 0., -1.],
           [ 0.,  0.]], dtype=float32)
    """
    matrix = tf.cast(tensor, tf.float32) if tensor.dtype.size < 4 else tensor
    matrix = tf.reshape(matrix, (-1, matrix.shape[-1]) if matrix.shape.rank > 1 else (1, -1))
    # So that no square overflows, and the largest never vanishes. 0/0 is 0 here and below.
    matrix = tf.math.divide_no_nan(matrix, tf.reduce_max(tf.abs(matrix)))
    rows, columns = matrix.shape
    if 1 in (rows, columns):
        product = tf.math.divide_no_nan(matrix, tf.norm(matrix))
    else:
        is_tall = rows is None or rows >= columns
        gram = tf.matmul(matrix, matrix, transpose_a=is_tall, transpose_b=not is_tall)
        projection = _to_high_power(gram)
        product = tf.matmul(matrix, projection) if is_tall else tf.matmul(projection, matrix)
        # Never longer than it should be, not even if the projection is onto several vectors: Σ pσ ≤ √Σ pσ².
        product = tf.math.divide_no_nan(product, tf.sqrt(tf.reduce_sum(projection * gram)))
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
