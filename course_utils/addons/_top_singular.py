"""The step direction for the nuclear-norm ball, without a singular value decomposition."""

import tensorflow as tf

# After k squarings the weight of the second singular value σ₂ is (σ₂/σ₁)^(2·2^k). With σ₂/σ₁ = 1 - 1e-4, a
# share of 2e-6 remains. The gap is usually larger, and five or six squarings are enough.
SQUARINGS = 16


def top_singular_product(tensor):
    """Return u vᵀ, where u and v are the singular vectors of the largest singular value.

    A tensor of rank above two counts as the matrix of shape ``(-1, last axis)``: a convolution's kernel has
    one column per output channel. A tensor of rank one or zero counts as a matrix with one row, so its u vᵀ
    is the tensor divided by its length.

    Let G be the matrix. The smaller one of GᵀG and G Gᵀ is squared many times. The result converges to the
    projection P onto the wanted singular vector. Then G P (or P G) is u vᵀ times the singular value, whose
    square is the trace of P GᵀG (or P G Gᵀ). A power iteration would need a start vector, which could be a
    bad one; this method needs none. XLA makes a fast program of it, while a singular value decomposition
    takes a second. (Only matrix products follow the loop. XLA would compute a vector again for every element
    that uses it.)

    If several singular values are largest, the result is the mean of their products u vᵀ. Its nuclear norm is
    also 1, and the direction is as steep. For a tensor of zeros the result is zero. The result has the
    tensor's shape and dtype. The number of rows may be unknown.

    >>> top_singular_product(tf.constant([[0.0, -3.0], [1.0, 0.0]])).numpy().round(6) + 0.0
    array([[ 0., -1.],
           [ 0.,  0.]], dtype=float32)
    """
    matrix = tf.cast(tensor, tf.float32) if tensor.dtype.size < 4 else tensor
    matrix = tf.reshape(matrix, (-1, matrix.shape[-1]) if matrix.shape.rank > 1 else (1, -1))
    # No square can overflow, and the largest cannot become 0. Here and below, 0/0 is 0.
    matrix = tf.math.divide_no_nan(matrix, tf.reduce_max(tf.abs(matrix)))
    rows, columns = matrix.shape
    if 1 in (rows, columns):
        product = tf.math.divide_no_nan(matrix, tf.norm(matrix))
    else:
        is_tall = rows is None or rows >= columns
        gram = tf.matmul(matrix, matrix, transpose_a=is_tall, transpose_b=not is_tall)
        projection = _to_high_power(gram)
        product = tf.matmul(matrix, projection) if is_tall else tf.matmul(projection, matrix)
        # The nuclear norm is at most 1, even if the projection is onto several vectors: Σ pσ ≤ √Σ pσ².
        product = tf.math.divide_no_nan(product, tf.sqrt(tf.reduce_sum(projection * gram)))
    return tf.cast(tf.reshape(product, tf.shape(tensor)), tensor.dtype)


def _to_high_power(matrix):
    """Square a matrix until only its largest eigenvalue matters. Its trace stays 1."""

    def unfinished(count, trace, _):
        # If a matrix of trace 1 has a square of trace 1, its rank is one. This trace belongs to the matrix
        # before the last squaring, and that squaring has already reduced the error that 1e-4 allows.
        return (count < SQUARINGS) & (trace < 1 - 1e-4)

    def square(count, _, power):
        power = tf.matmul(power, power)
        trace = tf.linalg.trace(power)
        return count + 1, trace, tf.math.divide_no_nan(power, trace)

    start = tf.math.divide_no_nan(matrix, tf.linalg.trace(matrix))
    # A loop, because XLA would take seconds to compile sixteen copies.
    return tf.while_loop(unfinished, square, (0, tf.zeros((), matrix.dtype), start))[2]
