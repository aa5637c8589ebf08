"""The schedules give their formulas' rates: at every step, in graphs and outside, before and after saving."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from course_utils.schedules import Exponential, OneCycle, PiecewiseConstant, Power, WarmUp

STEPS = np.arange(60)
# Where phases and epochs begin and end, and between.
SOME = np.array([0, 1, 4, 5, 9, 10, 11, 14, 15, 29, 49, 50, 59])
ALL = [
    Power(0.01, decay_steps=7),
    Power(0.01, decay_steps=2, power=0.5, steps_per_epoch=5),
    Exponential(0.01, decay_steps=20),
    Exponential(0.01, decay_steps=20, decay_rate=0.5, steps_per_epoch=5),
    PiecewiseConstant([5, 15], [0.01, 0.005, 0.001]),
    PiecewiseConstant([1, 3], [0.01, 0.005, 0.001], steps_per_epoch=5),
    OneCycle(0.05, total_steps=50),
    OneCycle(0.05, total_steps=50, anneal_strategy="linear", three_phase=True),
    WarmUp(0.1, warmup_steps=10),
    WarmUp(OneCycle(0.05, total_steps=40), warmup_steps=10, initial_learning_rate=0.001),
    WarmUp(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5), warmup_steps=10),
]
each_schedule = pytest.mark.parametrize("schedule", ALL, ids=lambda one: type(one).__name__)


def rates(schedule, steps=STEPS):
    return np.array([float(schedule(int(step))) for step in steps])


# -- the formulas --------------------------------------------------------------------------------------------


def test_power_is_halved_after_its_decay_steps():
    np.testing.assert_array_equal(
        rates(Power(0.01, decay_steps=7)), [np.float32(0.01 / (1 + t / 7)) for t in STEPS]
    )
    np.testing.assert_allclose(
        rates(Power(0.01, 7, power=2), [0, 7, 14]), [0.01, 0.01 / 4, 0.01 / 9], rtol=1e-6
    )


def test_power_gives_what_decay_gave():
    """Keras' old argument: lr / (1 + decay * iterations)."""
    ours = rates(Power(0.01, decay_steps=1 / 1e-4), range(0, 40_000, 997))
    np.testing.assert_allclose(ours, [0.01 / (1 + 1e-4 * t) for t in range(0, 40_000, 997)], rtol=1e-6)


def test_exponential_falls_by_the_same_factor():
    np.testing.assert_array_equal(
        rates(Exponential(0.01, decay_steps=20)), [np.float32(0.01 * 0.1 ** (t / 20)) for t in STEPS]
    )


def test_exponential_by_epoch_is_the_chapters_function():
    def exponential_decay(epoch):
        return 0.01 * 0.1 ** (epoch / 20)

    schedule = Exponential(0.01, decay_steps=20, steps_per_epoch=5)
    np.testing.assert_array_equal(rates(schedule), [np.float32(exponential_decay(t // 5)) for t in STEPS])


def test_exponential_by_step_is_the_chapters_callback():
    """The callback multiplies the rate by 0.1^(1/s) after each batch."""
    expected, rate = [], 0.01
    for _ in STEPS:
        expected.append(rate)
        rate *= 0.1 ** (1 / 20)
    np.testing.assert_allclose(rates(Exponential(0.01, decay_steps=20)), expected, rtol=1e-6)


def test_piecewise_by_epoch_is_the_chapters_function():
    def piecewise_constant(epoch):
        return 0.01 if epoch < 5 else 0.005 if epoch < 15 else 0.001

    schedule = PiecewiseConstant([5, 15], [0.01, 0.005, 0.001], steps_per_epoch=3)
    np.testing.assert_array_equal(rates(schedule), [np.float32(piecewise_constant(t // 3)) for t in STEPS])


def test_piecewise_changes_at_the_boundary_and_keras_one_step_later():
    ours = PiecewiseConstant([5], [0.2, 0.1])
    theirs = keras.optimizers.schedules.PiecewiseConstantDecay([5], [0.2, 0.1])
    np.testing.assert_allclose(rates(ours, [4, 5, 6]), [0.2, 0.1, 0.1])
    np.testing.assert_allclose(rates(theirs, [4, 5, 6]), [0.2, 0.2, 0.1])


def test_piecewise_without_a_boundary_is_constant():
    np.testing.assert_allclose(rates(PiecewiseConstant([], [0.1])), 0.1)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Exponential(0.01, 20), keras.optimizers.schedules.ExponentialDecay(0.01, 20, 0.1)),
        (Power(0.01, 20), keras.optimizers.schedules.InverseTimeDecay(0.01, 20, 1.0)),
    ],
    ids=["exponential", "power"],
)
def test_steps_give_the_rates_of_keras(ours, theirs):
    np.testing.assert_allclose(rates(ours), rates(theirs), rtol=1e-5)


# -- 1cycle --------------------------------------------------------------------------------------------------


def cosine(start, stop, way):
    return stop + (start - stop) / 2 * (1 + math.cos(math.pi * way))


# Ten steps up to 25: what PyTorch's own tests expect (test/optim/test_lrscheduler.py).
PYTORCH = {
    "linear": (
        dict(final_div_factor=2, anneal_strategy="linear"),
        [1, 13, 25, 21.5, 18, 14.5, 11, 7.5, 4, 0.5],
    ),
    "linear, three phases": (
        dict(pct_start=0.4, div_factor=25, final_div_factor=4, anneal_strategy="linear", three_phase=True),
        [1, 9, 17, 25, 17, 9, 1, 0.75, 0.5, 0.25],
    ),
    "cosine": (
        dict(final_div_factor=2),
        [1, 13, 25, *(cosine(25, 0.5, way / 7) for way in range(1, 7)), 0.5],
    ),
}


@pytest.mark.parametrize("name", PYTORCH)
def test_one_cycle_gives_the_values_pytorch_publishes(name):
    given, expected = PYTORCH[name]
    np.testing.assert_allclose(rates(OneCycle(25, 10, **given), range(10)), expected, rtol=1e-6)


def by_hand(step, max_lr, total_steps, pct_start, strategy, div_factor, final_div_factor, three_phase):
    """PyTorch's rule in plain Python, for phases that have a length."""
    first = max_lr / div_factor
    phases = [(pct_start * total_steps - 1, first, max_lr)]
    if three_phase:
        phases.append((2 * pct_start * total_steps - 2, max_lr, first))
    phases.append((total_steps - 1, phases[-1][2], first / final_div_factor))
    begin = 0
    for end, start, stop in phases:
        if step <= end:
            way = (step - begin) / (end - begin)
            if strategy == "linear":
                return start + way * (stop - start)
            return cosine(start, stop, way)
        begin = end
    raise AssertionError("past the end")


def test_one_cycle_has_pytorchs_defaults():
    expected = [by_hand(t, 0.1, 100, 0.3, "cos", 25, 1e4, False) for t in range(100)]
    np.testing.assert_allclose(rates(OneCycle(0.1, total_steps=100), range(100)), expected, rtol=1e-5)
    assert float(OneCycle(1.0, total_steps=100)(99)) == pytest.approx(4e-6)


def test_one_cycle_has_the_chapters_shape_as_one_setting():
    """Géron's callback: half up, half down, the last tenth to a thousandth of the start; 1,075 batches."""
    iterations, max_lr = 1075, 0.05
    start, last = max_lr / 10, max_lr / 10 / 1000
    last_iterations = iterations // 10 + 1
    half = (iterations - last_iterations) // 2

    def chapter(i):
        return np.interp(i, [0, half, 2 * half, iterations], [start, max_lr, start, last])

    schedule = OneCycle(
        max_lr,
        total_steps=iterations + 1,
        pct_start=(half + 1) / (iterations + 1),
        anneal_strategy="linear",
        div_factor=10,
        final_div_factor=1000,
        three_phase=True,
    )
    expected = [chapter(i) for i in range(iterations)]
    np.testing.assert_allclose(schedule(np.arange(iterations)).numpy(), expected, rtol=2e-6)


one_cycles = st.builds(
    OneCycle,
    max_lr=st.floats(1e-4, 10),
    total_steps=st.integers(1, 300),
    pct_start=st.floats(0, 0.5),
    anneal_strategy=st.sampled_from(["cos", "linear"]),
    div_factor=st.floats(1, 100),
    final_div_factor=st.floats(1, 1e5),
    three_phase=st.booleans(),
)


@given(one_cycles)
@settings(max_examples=60, deadline=None)
def test_one_cycle_keeps_its_promises(schedule):
    steps = np.arange(schedule.total_steps + 20)
    lr = schedule(steps).numpy().astype(float)
    first = schedule.max_lr / schedule.div_factor
    peak = max(schedule.pct_start * schedule.total_steps - 1, 0)
    almost = 1 + 1e-5

    assert np.isfinite(lr).all()
    assert (lr > 0).all()
    assert lr.max() <= schedule.max_lr * almost
    rising = lr[steps <= peak]
    assert (np.diff(rising) >= -1e-6 * schedule.max_lr).all()
    assert (np.diff(lr[steps >= peak]) <= 1e-6 * schedule.max_lr).all()
    assert lr[0] == pytest.approx(first if peak else schedule.max_lr, rel=1e-5)
    assert (lr[schedule.total_steps - 1 :] == lr[schedule.total_steps - 1]).all(), "flat after the end"
    if schedule.total_steps - 1 > (2 if schedule.three_phase else 1) * peak:
        assert lr[-1] == pytest.approx(first / schedule.final_div_factor, rel=1e-4)


@given(one_cycles)
@settings(max_examples=60, deadline=None)
def test_one_cycle_follows_pytorchs_rule_where_every_phase_has_a_length(schedule):
    assume(schedule.pct_start * schedule.total_steps > 1)
    config = list(schedule.get_config().values())
    expected = [by_hand(step, *config) for step in range(schedule.total_steps)]
    np.testing.assert_allclose(
        schedule(np.arange(schedule.total_steps)).numpy(), expected, rtol=1e-4, atol=1e-7 * schedule.max_lr
    )


def test_one_cycle_of_a_single_step_makes_it_at_the_highest_rate():
    for three_phase in (False, True):
        schedule = OneCycle(0.5, total_steps=1, three_phase=three_phase)
        assert rates(schedule, [0, 1, 2]).tolist() == [0.5, 0.5, 0.5]


def test_one_cycle_without_a_way_up_starts_at_the_top():
    schedule = OneCycle(1.0, total_steps=5, pct_start=0, anneal_strategy="linear", final_div_factor=1)
    np.testing.assert_allclose(rates(schedule, range(5)), [1, 0.76, 0.52, 0.28, 0.04], rtol=1e-6)
    # The same where the share of the steps rounds to none.
    tiny = OneCycle(1.0, total_steps=5, pct_start=0.1, anneal_strategy="linear", final_div_factor=1)
    np.testing.assert_allclose(rates(tiny, range(5)), rates(schedule, range(5)))
    # With three phases the way back has no length either: the last descent begins at the first rate.
    three = OneCycle(
        1.0, 5, 0.0, anneal_strategy="linear", div_factor=2, final_div_factor=5, three_phase=True
    )
    np.testing.assert_allclose(rates(three, range(5)), [1, 0.4, 0.3, 0.2, 0.1], rtol=1e-6)


def test_one_cycle_that_only_goes_up_stays_there():
    schedule = OneCycle(1.0, total_steps=5, pct_start=1, anneal_strategy="linear", div_factor=5)
    np.testing.assert_allclose(rates(schedule, range(7)), [0.2, 0.4, 0.6, 0.8, 1, 1, 1], rtol=1e-6)


# -- warm-up -------------------------------------------------------------------------------------------------


def test_warm_up_rises_in_a_straight_line_and_then_begins_the_other():
    schedule = WarmUp(Exponential(0.1, decay_steps=10), warmup_steps=4, initial_learning_rate=0.02)
    expected = [0.02, 0.04, 0.06, 0.08] + [0.1 * 0.1 ** (t / 10) for t in range(10)]
    np.testing.assert_allclose(rates(schedule, range(14)), expected, rtol=1e-6)


def test_warm_up_of_no_length_is_the_other_schedule():
    other = Power(0.1, decay_steps=10)
    np.testing.assert_array_equal(rates(WarmUp(other, 0, initial_learning_rate=0.5)), rates(other))


def test_warm_up_comes_before_a_schedule_of_keras():
    other = keras.optimizers.schedules.PiecewiseConstantDecay([5], [0.2, 0.1])
    expected = [0, 0.05, 0.1, 0.15] + [0.2] * 6 + [0.1]
    np.testing.assert_allclose(rates(WarmUp(other, 4), range(11)), expected, rtol=1e-6)


def test_warm_up_of_a_warm_up():
    schedule = WarmUp(WarmUp(1.0, 4, initial_learning_rate=0.5), 2)
    np.testing.assert_allclose(rates(schedule, range(7)), [0, 0.25, 0.5, 0.625, 0.75, 0.875, 1], rtol=1e-6)


# -- what holds for all of them ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule", ALL[:-1], ids=lambda one: type(one).__name__
)  # Keras' has its own digits
def test_graph_and_eager_agree_to_the_last_digit(schedule):
    in_graph = tf.function(schedule)
    for step in SOME:
        assert float(in_graph(tf.constant(step, tf.int64))) == float(schedule(step))


@pytest.mark.parametrize("schedule", [ALL[1], ALL[5], ALL[9]], ids=lambda one: type(one).__name__)
def test_xla_gives_the_same_rates(schedule):
    compiled = tf.function(schedule, jit_compile=True)
    np.testing.assert_allclose(compiled(tf.constant(STEPS)), schedule(STEPS), rtol=2e-7)


@each_schedule
def test_steps_may_come_as_an_array(schedule):
    np.testing.assert_allclose(schedule(SOME).numpy(), rates(schedule, SOME), rtol=2e-7)


@each_schedule
def test_nothing_is_kept_between_two_calls(schedule):
    backwards = rates(schedule, SOME[::-1])[::-1]
    np.testing.assert_array_equal(backwards, rates(schedule, SOME))


@each_schedule
def test_a_step_below_0_counts_as_0(schedule):
    assert float(schedule(-3)) == float(schedule(0))


@each_schedule
def test_the_rate_has_kerass_float_type(schedule):
    assert schedule(3).dtype == tf.float32


@each_schedule
def test_config_gives_the_same_schedule(schedule):
    plain = keras.optimizers.schedules.serialize(schedule)
    again = keras.optimizers.schedules.deserialize(plain)
    assert type(again) is type(schedule)
    np.testing.assert_array_equal(rates(again, SOME), rates(schedule, SOME))
    assert again.get_config() == schedule.get_config()


def test_repr_can_be_typed_in_again():
    schedule = WarmUp(OneCycle(0.05, total_steps=40), warmup_steps=10)
    assert repr(eval(repr(schedule))) == repr(schedule)


@pytest.mark.parametrize("schedule", [ALL[5], ALL[9], ALL[10]], ids=lambda one: type(one).__name__)
def test_a_model_is_saved_with_its_schedule_and_goes_on(schedule, tmp_path):
    keras.utils.set_random_seed(1)
    x, y = np.random.default_rng(0).normal(size=(2, 60, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    model.compile(keras.optimizers.SGD(schedule), "mse", steps_per_execution=3, jit_compile=False)
    model.fit(x, y, batch_size=5, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert int(again.optimizer.iterations) == 12
    for one in (model, again):
        one.fit(x, y, batch_size=5, shuffle=False, verbose=0)
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD, keras.optimizers.Nadam, keras.optimizers.AdamW])
def test_an_optimizer_takes_each_step_at_the_rate_of_its_number(optimizer):
    """A constant schedule is a number; a changing one is that number set by hand before every step."""
    schedule = Exponential(0.1, decay_steps=6)
    scheduled, by_hand = optimizer(schedule), optimizer(0.5)
    variables = [tf.Variable([1.0, -2.0]), tf.Variable([1.0, -2.0])]
    for step, gradient in enumerate(np.random.default_rng(0).normal(size=(12, 2)).astype("float32")):
        by_hand.learning_rate = float(schedule(step))
        for one, variable in zip((scheduled, by_hand), variables, strict=True):
            one.apply_gradients([(tf.constant(gradient), variable)])
        np.testing.assert_allclose(*variables, rtol=1e-6)


# -- nonsense ------------------------------------------------------------------------------------------------

CYCLE = dict(max_lr=1.0, total_steps=10)


@pytest.mark.parametrize("value", [0, "fast"])  # tests/test_arguments.py has the whole table
@pytest.mark.parametrize(
    ("schedule", "name", "good"),
    [
        (Power, "initial_learning_rate", dict(decay_steps=3)),
        (Power, "decay_steps", dict(initial_learning_rate=1.0)),
        (Exponential, "initial_learning_rate", dict(decay_steps=3)),
        (Exponential, "decay_steps", dict(initial_learning_rate=1.0)),
        (Exponential, "decay_rate", dict(initial_learning_rate=1.0, decay_steps=3)),
        (OneCycle, "max_lr", dict(total_steps=10)),
        (OneCycle, "total_steps", dict(max_lr=1.0)),
        (OneCycle, "div_factor", CYCLE),
        (OneCycle, "final_div_factor", CYCLE),
        (WarmUp, "learning_rate", dict(warmup_steps=3)),
        (Power, "steps_per_epoch", dict(initial_learning_rate=1.0, decay_steps=3)),
        (Exponential, "steps_per_epoch", dict(initial_learning_rate=1.0, decay_steps=3)),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(schedule, name, good, value):
    with pytest.raises(ValueError, match=rf"`{name}`") as error:
        schedule(**good, **{name: value})
    assert repr(value) in str(error.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Power(0.1, 5, power=-1), "`power` should be .*-1"),
        (lambda: Power(0.1, 5, steps_per_epoch=0), "`steps_per_epoch` should be .*0"),
        (lambda: Exponential(0.1, 5, steps_per_epoch=2.5), r"`steps_per_epoch` should be .*2\.5"),
        (lambda: PiecewiseConstant(5, [1.0, 0.1]), "`boundaries` should be .*5"),
        (lambda: PiecewiseConstant([5], [1.0]), "`values` should be a list of 2 rates"),
        (lambda: PiecewiseConstant([5], 0.1), "`values` should be a list of 2 rates"),
        (lambda: PiecewiseConstant(np.array(5), [1.0, 0.1]), "`boundaries` should be a list"),
        (lambda: PiecewiseConstant("5", [1.0, 0.1]), "`boundaries` should be a list"),
        (lambda: PiecewiseConstant([5, 5], [1.0, 0.1, 0.1]), r"`boundaries` should be rising.*\[5, 5\]"),
        (lambda: PiecewiseConstant([5, 3], [1.0, 0.1, 0.1]), r"`boundaries` should be rising.*\[5, 3\]"),
        (lambda: PiecewiseConstant([0], [1.0, 0.1]), r"`boundaries\[0\]` should be .*0"),
        (lambda: PiecewiseConstant([2.5], [1.0, 0.1]), r"`boundaries\[0\]` should be .*2\.5"),
        (lambda: PiecewiseConstant([5], [1.0, -0.1]), r"`values\[1\]` should be .*-0\.1"),
        (
            lambda: OneCycle(**CYCLE, pct_start=1.1),
            r"`pct_start` should be a finite number ≥ 0 and ≤ 1; received 1\.1",
        ),
        (
            lambda: OneCycle(**CYCLE, pct_start=-0.1),
            r"`pct_start` should be a finite number ≥ 0 and ≤ 1; received -0\.1",
        ),
        (
            lambda: OneCycle(**CYCLE, pct_start=0.6, three_phase=True),
            r"≥ 0 and ≤ 0\.5 for three phases; received 0\.6",
        ),
        (lambda: OneCycle(**CYCLE, anneal_strategy="square"), "`anneal_strategy` should be .*'square'"),
        (lambda: OneCycle(**CYCLE, three_phase="no"), "`three_phase` should be .*'no'"),
        (lambda: OneCycle(1.0, total_steps=2.5), r"`total_steps` should be .*2\.5"),
        (lambda: OneCycle(**CYCLE, div_factor=0.5), r"`div_factor` should be .*0\.5"),
        (lambda: WarmUp(0.1, warmup_steps=-1), "`warmup_steps` should be .*-1"),
        (lambda: WarmUp(0.1, 5, initial_learning_rate=-1), "`initial_learning_rate` should be .*-1"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_numbers_of_every_library_are_taken():
    for half in (np.float32(0.5), np.array(0.5), tf.constant(0.5)):
        given = OneCycle(half, total_steps=np.int64(10), pct_start=half)
        assert given.get_config() == OneCycle(0.5, 10, 0.5).get_config()
        assert WarmUp(half, tf.constant(3)).get_config() == WarmUp(0.5, 3).get_config()
    for boundaries, values in [
        (np.array([2, 4]), np.array([3.0, 2, 1])),
        (tf.constant([2, 4]), tf.constant([3.0, 2, 1])),
    ]:
        schedule = PiecewiseConstant(boundaries, values)
        assert (schedule.boundaries, schedule.values) == ([2, 4], [3.0, 2.0, 1.0])
    with pytest.raises(ValueError, match="A variable can change later"):
        Power(tf.Variable(0.5), 10)
