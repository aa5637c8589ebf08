"""Figures: what is drawn, on which axes, and that nothing global changes."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_utils import plotting

HISTORY = {"accuracy": [0.2, 0.5, 0.6], "val_accuracy": [0.3, 0.4, 0.45], "loss": [2.0, 1.5, 1.2]}


def test_learning_curves_start_at_epoch_one():
    ax = plotting.learning_curves({"plain": HISTORY})
    training, validation = ax.get_lines()
    np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(training.get_ydata(), HISTORY["accuracy"])
    np.testing.assert_array_equal(validation.get_ydata(), HISTORY["val_accuracy"])
    assert (training.get_linestyle(), validation.get_linestyle()) == ("-", "--")
    assert training.get_color() == validation.get_color() == plotting.colour("plain")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "plain, training",
        "plain, validation",
    ]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "accuracy")


def test_learning_curves_draw_on_the_axes_given_and_only_what_is_asked():
    _, axes = plt.subplots(1, 2)
    returned = plotting.learning_curves({"a": HISTORY, "b": HISTORY}, validation=False, ax=axes[1])
    assert returned is axes[1]
    assert len(axes[0].get_lines()) == 0
    assert [line.get_label() for line in axes[1].get_lines()] == ["a", "b"]


def test_a_history_without_the_metric_says_what_it_has():
    with pytest.raises(KeyError, match=r"'plain' has no 'val_loss'; it has .*'val_accuracy'"):
        plotting.learning_curves({"plain": HISTORY}, "loss")


def test_methods_of_the_course_differ_in_colour_and_marker():
    assert plotting.MARKERS.keys() == plotting.COLOURS.keys()
    for family in (plotting._NORMALIZATIONS, plotting._OPTIMIZERS):
        assert len({plotting.colour(method) for method in family}) == len(family)
        assert len({plotting.MARKERS[method] for method in family}) == len(family)
    assert plotting.colour("a new method") == plotting.colour("a new method") in plotting.OTHERS


def cells(ax, rows, columns, side):
    """The images of a grid, cut out again."""
    mosaic = np.asarray(ax.images[0].get_array())
    step = (mosaic.shape[0] - side) // max(rows - 1, 1)
    return [
        [mosaic[r * step : r * step + side, c * step : c * step + side] for c in range(columns)]
        for r in range(rows)
    ]


def test_image_grid_shows_each_class_in_its_row():
    labels = np.array([1, 0, 1, 1, 0])
    images = np.stack([np.full((4, 4, 3), index, "uint8") for index in range(5)])
    ax = plotting.image_grid(images, labels, ("zero", "one"), per_class=2)
    shown = cells(ax, 2, 2, 4)
    assert [[set(cell.flat) for cell in row] for row in shown] == [[{1}, {4}], [{0}, {2}]]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["zero", "one"]
    with pytest.raises(ValueError, match="5 images, but 4 labels"):
        plotting.image_grid(images, labels[:4], ("zero", "one"))


def test_image_grid_draws_grey_images_as_ink_on_paper():
    images = np.stack([np.zeros((4, 4)), np.ones((4, 4))])
    _, given = plt.subplots()
    ax = plotting.image_grid(images, [0, 1], ("paper", "ink"), per_class=1, ax=given)
    assert ax is given
    shown = cells(ax, 2, 1, 4)
    assert (shown[0][0].min(), shown[1][0].max()) == (1.0, 0.0)
    assert ax.images[0].get_clim() == (0, 1)


def test_a_class_without_images_leaves_an_empty_row():
    ax = plotting.image_grid(np.zeros((1, 2, 2, 3), "uint8"), [0], ("zero", "one"), per_class=2)
    shown = cells(ax, 2, 2, 2)
    assert shown[0][0].max() == 0
    assert {int(cell.min()) for cell in (shown[0][1], *shown[1])} == {255}


def test_drawing_changes_no_global_setting():
    before = dict(mpl.rcParams)
    plotting.learning_curves({"plain": HISTORY})
    plotting.image_grid(np.zeros((1, 2, 2)), [0], ("zero",))
    assert dict(mpl.rcParams) == before


def block(ax):
    """The fill colours of a block's faces, in the order they were drawn."""
    return [mpl.colors.to_hex(patch.get_facecolor()).upper() for patch in ax.patches]


def test_cells_that_share_a_mean_are_those_that_a_mean_runs_over():
    x = np.random.default_rng(0).normal(size=(3, 4, 5, 6))
    for axes in [(0,), (1, 2), (0, 1, 2), (1, 2, 3), (0, 1, 2, 3), (-1, 1)]:
        ids = plotting.shared_means(x.shape, axes)
        sums = np.bincount(ids.ravel(), weights=x.ravel()) / np.bincount(ids.ravel())
        np.testing.assert_allclose(sums[ids], np.broadcast_to(x.mean(axis=axes, keepdims=True), x.shape))


def test_groups_split_the_last_axis_into_neighbours():
    ids = plotting.shared_means((2, 1, 6), axes=1, groups=3)
    np.testing.assert_array_equal(ids[:, 0], [[0, 0, 1, 1, 2, 2], [3, 3, 4, 4, 5, 5]])
    # One group takes the means of layer normalization, a group per channel those of instance normalization.
    shape = (2, 4, 6)
    np.testing.assert_array_equal(
        plotting.shared_means(shape, 1, groups=1), plotting.shared_means(shape, (1, 2))
    )
    np.testing.assert_array_equal(plotting.shared_means(shape, 1, groups=6), plotting.shared_means(shape, 1))


@pytest.mark.parametrize(
    ("shape", "axes", "groups", "message"),
    [
        ((2, 3), 2, None, r"between -2 and 1 for shape \(2, 3\); got \(2,\)"),
        ((2, 3), (0, -3), None, r"between -2 and 1"),
        ((2, 3, 4), (1, -2), None, r"each axis once; got \(1, -2\)"),
        ((2, 3, 4), 1, 3, "groups should divide the last axis, of size 4; got 3"),
        ((2, 3, 4), 1, 0, "groups should divide the last axis, of size 4; got 0"),
    ],
)
def test_means_that_cannot_be_are_refused(shape, axes, groups, message):
    with pytest.raises(ValueError, match=message):
        plotting.shared_means(shape, axes, groups)


@pytest.mark.parametrize(
    ("choice", "label", "blue"),
    [
        (dict(axes=(0, 1)), "6 means of 20 cells each", 5 + 4),  # a column in front, a row on top
        (dict(axes=(1, 2)), "4 means of 30 cells each", 30 + 6 + 5),  # the whole front, and its edges
        (dict(axes=1), "24 means of 5 cells each", 5 + 1),
        (dict(axes=1, groups=2), "8 means of 15 cells each", 15 + 3),
        (dict(axes=(0, 1, 2)), "1 mean of 120 cells each", 30 + 24 + 20),
    ],
)
def test_a_block_marks_the_cells_that_share_a_mean_with_the_nearest(choice, label, blue):
    ax = plotting.normalization_axes((4, 5, 6), **choice)
    assert ax.get_xlabel() == label
    fills = block(ax)
    assert len(fills) == 5 * 6 + 4 * 6 + 4 * 5  # front, top, side
    assert fills.count(plotting.colour("weight normalization")) == blue
    assert [text.get_text() for text in ax.texts] == ["N", "H×W", "C"]


def test_neighbouring_means_differ_in_shade():
    fills = np.array(block(plotting.normalization_axes((4, 5, 6), axes=(0, 1)))[:30]).reshape(5, 6)
    assert all(fills[0, c] != fills[0, c + 1] for c in range(5))
    assert all((fills[:, c] == fills[0, c]).all() for c in range(6))


def test_a_block_is_drawn_on_the_axes_given_and_needs_three_axes():
    _, axes = plt.subplots(1, 2)
    assert plotting.normalization_axes((2, 2, 2), 0, names="HWC", ax=axes[1]) is axes[1]
    assert not axes[0].patches
    with pytest.raises(ValueError, match=r"three axes.*got \(2, 3\)"):
        plotting.normalization_axes((2, 3), 0)


def test_a_schedule_is_drawn_step_by_step():
    ax = plotting.schedule(lambda step: 0.1 * step, steps=5, label="rising")
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), range(5))
    np.testing.assert_allclose(line.get_ydata(), [0, 0.1, 0.2, 0.3, 0.4])
    assert line.get_label() == "rising"
    assert ax.get_xlabel() == "step"


def test_a_long_schedule_is_asked_for_a_thousand_steps_with_both_ends():
    asked = []
    ax = plotting.schedule(lambda step: asked.append(step) or 1.0, steps=42_975, steps_per_epoch=1719)
    assert (len(asked), asked[0], asked[-1]) == (1000, 0, 42_974)
    assert ax.lines[0].get_xdata()[-1] == 42_974 / 1719
    assert ax.get_xlabel() == "epoch"


def test_schedules_share_axes_and_nonsense_is_refused():
    ax = plt.subplots()[1]
    assert plotting.schedule(lambda step: 1.0, 3, ax=ax) is plotting.schedule(lambda step: 2.0, 3, ax=ax)
    assert len(ax.lines) == 2
    with pytest.raises(TypeError, match=r"learning_rate should be .*0\.01"):
        plotting.schedule(0.01, 3, ax=ax)
    with pytest.raises(ValueError, match="steps should be at least 1; got 0"):
        plotting.schedule(lambda step: 1.0, 0, ax=ax)
    with pytest.raises(ValueError, match="steps_per_epoch should be at least 1; got 0"):
        plotting.schedule(lambda step: 1.0, 3, steps_per_epoch=0, ax=ax)
    assert len(ax.lines) == 2
