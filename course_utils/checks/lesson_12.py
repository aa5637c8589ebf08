"""Checks of lesson 12: MC dropout."""

import numpy as np

from course_utils.checks.exercise import as_array, assert_close, call_answer, exercise, expect


@exercise
def mutual_information(answer):
    """Try nets that agree, nets that contradict each other, and mixtures."""
    rng = np.random.default_rng(1010)
    for samples, images, classes in [(20, 7, 4), (3, 12, 10), (6, 6, 6), (50, 1, 3)]:
        p = rng.dirichlet(np.full(classes, 0.5), size=(samples, images)) * 0.98 + 0.02 / classes
        what = f"the mutual information of {samples} answers to {images} image{'s' * (images > 1)}"
        _same_information(what, call_answer(answer, p), p)
    agreed = np.broadcast_to(rng.dirichlet(np.ones(4), size=5), (8, 5, 4))
    _same_information("the mutual information where all nets agree", call_answer(answer, agreed), agreed)
    certain = np.eye(4)[rng.integers(0, 4, size=(9, 5))]
    what = "the mutual information of nets that are certain, each of its own class"
    found = as_array(what, call_answer(answer, certain))
    cause = "0 · log 0 counts as 0 here; NumPy gives nan"
    expect(np.isfinite(found).all(), what, "numbers", "nan or infinity", cause)
    _same_information(what, found, certain)
    _same_information("the mutual information of a single answer", call_answer(answer, p[:1]), p[:1])
    return "Nets that agree, that contradict each other, that are certain, and one net alone: all right."


def _entropy(p):
    return -np.sum(p * np.log(np.maximum(p, 1e-300)), axis=-1)


def _same_information(what, found, p):
    total, own = _entropy(p.mean(axis=0)), _entropy(p).mean(axis=0)
    votes = np.eye(p.shape[-1])[p.argmax(axis=-1)]
    assert_close(
        what,
        found,
        total - own,
        mistakes={
            "you returned the entropy of the mean; subtract the mean of the entropies": total,
            "you returned the mean of the entropies; subtract it from the entropy of the mean": own,
            "the sign is wrong: exchange the two entropies, or add the minus of −Σ p log p": own - total,
            "you used logarithms to base 2; use natural logarithms": (total - own) / np.log(2),
            "you took the mean over the classes; an entropy is a sum": (total - own) / p.shape[-1],
            "you averaged the predicted classes; average the probabilities": _entropy(votes.mean(axis=0)),
            "you averaged the predicted classes in the first entropy; average the probabilities": _entropy(
                votes.mean(axis=0)
            )
            - own,
            "you averaged over the images; average over the samples, axis 0": _entropy(p.mean(axis=1))
            - _entropy(p).mean(axis=1),
            "you took the mean over the images; return one value for each image": np.mean(total - own),
            "you returned a standard deviation, which is another measure of disagreement": p.std(axis=0).mean(
                axis=-1
            ),
        },
        rtol=1e-3,
        atol=1e-3,
    )


@exercise
def accuracy_of_the_surest(answer):
    """Try nets whose confidence says much, little, or the contrary, for several shares."""
    rng = np.random.default_rng(1212)
    for images, classes, share in [(40, 10, 0.5), (60, 5, 0.25), (50, 3, 0.9), (30, 10, 0.1), (20, 4, 1.0)]:
        p = rng.dirichlet(np.full(classes, 0.6), size=images)
        # The surer, the more often right; so that any other choice of images gives another accuracy.
        confidence, y = p.max(axis=1), p.argmax(axis=1)
        rank = confidence.argsort().argsort()
        lied = rng.random(images) < 0.75 * (1 - rank / images)
        y = np.where(lied, (y + rng.integers(1, classes, images)) % classes, y)
        what = f"the accuracy on the surest {share:.0%} of {images} images"
        found = as_array(what, call_answer(answer, p, y, share))
        _is_accuracy_of_the_surest(what, found, p, y, share)
    return "Shares from a tenth to all, three to ten classes: all right."


def _is_accuracy_of_the_surest(what, found, p, y, share):
    right, confidence = p.argmax(axis=1) == y, p.max(axis=1)
    order, n = np.argsort(-confidence), round(share * len(y))
    surest = order[:n]
    above, true_class = confidence >= share, p[np.arange(len(y)), y]
    mistakes = {
        "you divided by all images; divide by those that are answered": right[surest].sum() / len(y),
        "you returned the number of right answers; return their share": right[surest].sum(),
        "you returned the share of mistakes; return the accuracy": 1 - right[surest].mean(),
        "you returned the mean confidence; return how often the class is right": confidence[surest].mean(),
    }
    if share < 1:
        mistakes |= {
            "you took the images with the lowest confidence; take the highest": right[order[-n:]].mean(),
            "you took the first images as they come; sort them by confidence": right[:n].mean(),
            "you refused the share that is to be answered": right[order[: len(y) - n]].mean(),
            "you sorted by the probability of the true class, which the net does not know": right[
                np.argsort(-true_class)[:n]
            ].mean(),
            "you returned the accuracy on all images": right.mean(),
        }
        if above.any():
            mistakes["you used `share` as a limit of the confidence; it is a share of the images"] = right[
                above
            ].mean()
    assert_close(what, found, right[surest].mean(), mistakes=mistakes, rtol=1e-3, atol=1e-4)
