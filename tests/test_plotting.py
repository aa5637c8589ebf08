"""Figures: what is drawn, on which axes, and that nothing global changes."""

import itertools
import subprocess
import sys
from pathlib import Path

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


def test_several_seeds_are_thin_lines_under_their_mean():
    other = {"accuracy": [0.4, 0.7, 0.8, 0.9]}  # stopped later
    ax = plotting.learning_curves({"plain": [HISTORY, other]}, validation=False)
    one, two, mean = ax.get_lines()
    np.testing.assert_array_equal(two.get_ydata(), other["accuracy"])
    np.testing.assert_allclose(mean.get_ydata(), [0.3, 0.6, 0.7])
    assert one.get_linewidth() == two.get_linewidth() < mean.get_linewidth()
    assert {line.get_color() for line in ax.get_lines()} == {plotting.colour("plain")}
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["plain"]


def test_seed_dots_show_every_seed_its_mean_and_the_sources_number():
    ax = plotting.seed_dots({"plain": [0.6, 0.62], "mine": [0.7]}, printed={"plain": 0.6045})
    dots, mean, mine, _, printed = ax.get_lines()
    np.testing.assert_array_equal(dots.get_xdata(), [0.6, 0.62])
    assert (set(dots.get_ydata()), set(mine.get_ydata())) == ({0}, {1})
    np.testing.assert_allclose(mean.get_xdata(), 0.61)
    assert list(printed.get_xdata()) == [0.6045] * 2
    assert dots.get_color() == mean.get_color() == plotting.colour("plain", ax) != mine.get_color()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["plain", "mine"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["the source's number"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first name on top


@pytest.mark.parametrize(
    ("values", "printed", "message"),
    [
        ({"plain": []}, None, "`values` should be at least one number for 'plain'"),
        ({"plain": [1.0]}, {"plane": 1.0}, r"`printed` should be a number for some of \['plain'\]"),
    ],
)
def test_seed_dots_refuse_what_they_cannot_draw(values, printed, message):
    with pytest.raises(ValueError, match=message):
        plotting.seed_dots(values, printed=printed)
    assert not plt.get_fignums()


def test_a_history_without_the_metric_says_what_it_has_and_draws_nothing():
    with pytest.raises(
        ValueError, match=r"`metric` should be a metric of 'plain', one of .*'val_acc.*'val_loss'"
    ):
        plotting.learning_curves({"a": {"loss": [1], "val_loss": [1]}, "plain": HISTORY}, "loss")
    assert not plt.get_fignums()


def test_curves_of_neither_kind_are_refused():
    with pytest.raises(ValueError, match="`validation` should be True if `training` is False; rec"):
        plotting.learning_curves({"plain": HISTORY}, training=False, validation=False)


# -- colours -------------------------------------------------------------------------------------------------

# Linear red, green and blue as a reader sees them who lacks one kind of cone (Machado, Oliveira & Fernandes
# 2009, https://doi.org/10.1109/TVCG.2009.113, severity 1).
VISIONS = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def linear(colour):
    """Linear red, green and blue of a hexadecimal colour."""
    rgb = np.array(mpl.colors.to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    """Lightness and two hues, in which equal distances look equally far (Ottosson 2020)."""
    cones = np.array(
        [[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]]
    ) @ np.clip(rgb, 0, 1)
    return np.array(
        [[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]]
    ) @ (np.cbrt(cones))


def distance(one, other):
    return min(
        np.linalg.norm(oklab(np.array(m) @ linear(one)) - oklab(np.array(m) @ linear(other)))
        for m in VISIONS.values()
    )


@pytest.mark.parametrize("colour", plotting.OTHERS)
def test_every_colour_stands_out_from_white(colour):
    luminance = linear(colour) @ [0.2126, 0.7152, 0.0722]
    assert 1.05 / (luminance + 0.05) >= 3


def test_colour_blind_readers_tell_the_colours_apart():
    distances = {pair: distance(*pair) for pair in itertools.combinations(plotting.OTHERS, 2)}
    # Okabe and Ito's own closest pair is 0.076 apart by this measure.
    assert min(distances.values()) > 0.08, min(distances, key=distances.get)
    assert distance("#009E73", "#CC79A7") == pytest.approx(0.076, abs=1e-3)


def test_the_style_cycles_through_the_same_colours():
    style = mpl.rc_params_from_file(
        Path(plotting.__file__).with_name("course.mplstyle"), use_default_template=False
    )
    colours = style["axes.prop_cycle"].by_key()["color"]
    assert set(colours) <= set(plotting.OTHERS)
    assert len(set(colours)) == len(colours) == 7


FAMILIES = {  # what one figure may compare
    "normalizations": [name for name in plotting.COLOURS if "normalization" in name or name == "plain"],
    "activations": ["sigmoid", "tanh", "ReLU", "leaky ReLU", "PReLU", "ELU", "SELU"],
    "optimizers": ["SGD", "momentum", "Nesterov", "Adagrad", "RMSprop", "Adam", "Adamax", "Nadam"],
    "conditional gradient": [
        name for name in plotting.COLOURS if name.startswith(("SGD", "conditional gradient"))
    ],
    "schedules": [
        *("constant", "power", "exponential, by epoch", "exponential, by step", "piecewise constant"),
        *("on plateau", "Keras' ExponentialDecay", "1cycle"),
    ],
    "regularization": [
        "plain",
        "ℓ1",
        "ℓ2",
        "max-norm",
        "dropout",
        "early stopping",
        "alpha dropout",
        "MC dropout",
    ],
    "the nets of lesson 13": [
        "plain",
        "batch normalization",
        "SELU",
        "alpha dropout",
        "MC dropout",
        "1cycle",
    ],
    "transfer": ["B alone", "B on A"],
}


def test_every_fixed_colour_belongs_to_a_family():
    assert {name for family in FAMILIES.values() for name in family} == set(plotting.COLOURS)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_methods_of_the_course_differ_in_colour_and_marker(family):
    for look in (plotting.COLOURS, plotting.MARKERS):
        assert len({look[method] for method in family}) == len(family)
    ax = plotting.learning_curves(dict.fromkeys(family, HISTORY), validation=False)
    assert [line.get_color() for line in ax.lines] == [plotting.COLOURS[method] for method in family]
    assert [line.get_marker() for line in ax.lines] == [plotting.MARKERS[method] for method in family]


def test_other_names_of_a_figure_get_colours_of_their_own_in_the_order_of_their_use():
    names = ["north", "south", "east", "west"]
    _, axes = plt.subplots(1, 2)
    plotting.learning_curves(dict.fromkeys(names, HISTORY), validation=False, ax=axes[0])
    assert [line.get_color() for line in axes[0].lines] == list(plotting.OTHERS[:4])
    assert len({line.get_marker() for line in axes[0].lines}) == 4
    # The other panel, in another order; and asked again.
    plotting.learning_curves(dict.fromkeys(names[::-1], HISTORY), validation=False, ax=axes[1])
    assert [line.get_color() for line in axes[1].lines] == list(plotting.OTHERS[3::-1])
    assert [plotting.colour(name) for name in names] == list(plotting.OTHERS[:4])
    # A new figure begins anew.
    plt.subplots()
    assert plotting.colour("west") == plotting.OTHERS[0]
    assert plotting.colour("west", axes[0]) == plotting.OTHERS[3]


def test_fixed_colours_are_given_before_those_of_other_names():
    histories = dict.fromkeys(["mine", "batch normalization", "yours", "layer normalization"], HISTORY)
    colours = [line.get_color() for line in plotting.learning_curves(histories, validation=False).lines]
    assert [colours[1], colours[3]] == [
        plotting.colour("batch normalization"),
        plotting.colour("layer normalization"),
    ]
    assert [colours[1], colours[3]] == [plotting.COLOURS[name] for name in list(histories)[1::2]]
    assert len(set(colours)) == 4


def test_no_two_names_of_a_figure_share_a_colour_not_even_fixed_ones():
    plt.subplots()
    looks = {name: (plotting.colour(name), plotting.marker(name)) for name in ("mine", "batch normalization")}
    looks |= {name: (plotting.colour(name), plotting.marker(name)) for name in ("plain", "SGD")}
    assert len({colour for colour, _ in looks.values()}) == len({marker for _, marker in looks.values()}) == 4


def test_more_names_than_colours_are_refused():
    ax = plt.subplots()[1]
    plotting.learning_curves(dict.fromkeys("abcdefgh", HISTORY), ax=ax)
    with pytest.raises(
        ValueError, match=r"`method` should be one of the 8 names .*'h'\]; received 'i'\. Draw it"
    ):
        plotting.colour("i")
    assert plotting.colour("h") == plotting.OTHERS[-1]


def test_without_a_figure_fixed_names_keep_their_colour_and_others_differ():
    assert not plt.get_fignums()
    colours = {name: plotting.colour(name) for name in (*"abcd", *plotting.COLOURS)}
    assert len({colours[name] for name in "abcd"}) == 4
    assert all(colours[name] == colour for name, colour in plotting.COLOURS.items())
    for number in range(100):
        assert plotting.colour(str(number)) in plotting.OTHERS
    assert not plt.get_fignums(), "asking for a colour opened a figure"


# -- pictures ------------------------------------------------------------------------------------------------


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
    with pytest.raises(ValueError, match="`labels` should be as many as the 5 images; received 4"):
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
    good = {"learning_rate": lambda step: 1.0, "steps": 3}
    for name, bad in {"learning_rate": 0.01, "steps": 0, "steps_per_epoch": 2.5}.items():
        with pytest.raises(ValueError, match=rf"`{name}` should be .*; received {bad}\."):
            plotting.schedule(**{**good, name: bad}, ax=ax)
    assert len(ax.lines) == 2


def test_neither_plotting_nor_data_loads_tensorflow_or_keras():
    code = (
        "import sys, course_utils.plotting, course_utils.data; "
        "print({'tensorflow', 'keras', 'tensorflow_addons', 'course_utils.addons'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "set()"
