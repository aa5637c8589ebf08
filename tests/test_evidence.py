"""Records: what is read, what is stale, what is measured, what a repeat dates anew. No kernel runs."""

import json
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import small_course

import course_utils
from build_tools import CourseError, environment, evidence, report, schemas
from build_tools.claims import load_claims
from build_tools.execute import Outcome
from build_tools.lessons import module_digests, read_lesson
from course_utils.stack import STACK

MODULES = ["course_utils.data", "course_utils.lesson", "course_utils.plotting"]
OTHER = {"addons": "keras3", "keras3": "addons"}[STACK]


@pytest.fixture
def course(tmp_path, monkeypatch):
    """The small course, without any run."""
    folder = small_course.make(tmp_path / "course")
    monkeypatch.setenv("COURSE_LEDGER", str(folder / "ledger"))
    for name in ("COURSE_MODE", "COURSE_SEED", "COURSE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder)
    return folder


def lesson_of(course):
    return read_lesson(course / "lessons" / "01_tiny.py")


@pytest.fixture
def measured(course):
    """The same with three runs on each stack, as if measured with the code as it is."""
    lesson, modules = lesson_of(course), module_digests(MODULES)
    for stack in ("addons", "keras3"):
        for seed, value in zip((42, 43, 44), (1.4, 1.5, 1.6), strict=True):
            record = small_course.a_record(lesson, seed, number=value, modules=modules, stack=stack)
            record |= {"versions": environment.versions(), "cpu": environment.cpu_model()}
            small_course.store(course, record)
    return course


@pytest.fixture
def kernel(monkeypatch):
    """What runs give, in the place of kernels; `ran` and `said` hold what was run and the lines of it."""
    fake = SimpleNamespace(number=lambda seed: 1.0 + seed / 100, entries={}, problem="", ran=[], said=[])

    def make_task(lesson, *, seed, **settings):
        fake.ran.append((lesson.name, seed))
        assert settings == {"mode": "full", "one_thread": True, "COURSE_DATA": "real"}
        return lesson, seed

    def spread(tasks, jobs, on_outcome, unit):
        done = []
        for lesson, seed in tasks:
            record = small_course.a_record(lesson, seed, number=fake.number(seed), modules=MODULES)
            record |= {"versions": environment.versions(), "cpu": environment.cpu_model()}
            for key in ("code", "revision", "date", "seconds"):
                del record[key]
            notebook = json.dumps({"metadata": {}, "cells": []})
            record = record | fake.entries if fake.entries is not None else None
            outcome = Outcome(lesson.name, seed, 12.34, notebook, fake.problem, record)
            answer = on_outcome(outcome)
            outcome, place = answer if isinstance(answer, tuple) else (outcome, answer)
            done.append(outcome)
            fake.said.append(place)
        return done

    monkeypatch.setattr(evidence, "make_task", make_task)
    monkeypatch.setattr(evidence, "spread", spread)
    return fake


def path_of(course, seed=42, stack=STACK, again=False):
    return evidence.result_path(course, stack, "01_tiny", seed, again)


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def change(path, **entries):
    path.write_text(json.dumps(load(path) | entries), encoding="utf-8")


def edit_lesson(course, old, new):
    text = (course / "lessons" / "01_tiny.py").read_text(encoding="utf-8")
    assert old in text
    small_course.write_lesson(course, text.replace(old, new))


# --- reading ----------------------------------------------------------------------------------------------


def test_records_are_read_as_they_were_written_in_order(measured):
    records, repeats, problems = evidence.read_records(measured)
    assert (repeats, problems) == ([], [])
    assert [(r["stack"], r["seed"]) for r in records] == [
        (stack, seed) for stack in ("addons", "keras3") for seed in (42, 43, 44)
    ]
    assert records[0] == load(path_of(measured, stack="addons"))
    assert evidence.read_records(measured / "nothing here") == ([], [], [])


def text(damage):
    return lambda path: path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")


def entry(**entries):
    return lambda path: change(path, **entries)


def as_folder(path):
    path.unlink()
    path.mkdir()


def as_loop(path):
    path.unlink()
    path.symlink_to(path.name)


def as_dangling_link(path):
    path.unlink()
    path.symlink_to("nowhere")


DAMAGES = [
    (text(lambda old: old[:-20]), "cannot be used"),
    (text(lambda old: ""), "Expecting value"),
    (text(lambda old: old.replace("1.4", "NaN")), "holds NaN, which is no number"),
    (
        text(lambda old: old.replace("1.4", "1e999")),
        "measurements.S9.c1.number: inf is greater than the maximum",
    ),
    (text(lambda old: old.replace("1.4", "1" + "0" * 400)), "measurements.S9.c1.number: 1000"),
    (text(lambda old: old.replace("1.4", "1" + "0" * 5000)), "limit"),
    (text(lambda old: old.replace("1.4", '"1.4"')), "measurements.S9.c1.number: '1.4' is not valid"),
    (text(lambda old: "[" * 100_000 + "]" * 100_000), "nested too deeply"),
    (text(lambda old: old.replace("1.4", "[" * 300 + "]" * 300)), "measurements.S9.c1.number"),
    (text(lambda old: "[]"), "is not of type 'object'"),
    (entry(cpu="\ud800"), "lone surrogate"),
    (entry(cpu="\x1b[31m"), ""),  # may stand in a name, if it is escaped where it is shown
    (entry(seconds="long"), "seconds: 'long' is not of type 'number'"),
    (entry(seconds=-1), "seconds: -1 is less than the minimum"),
    (entry(seed=43), "holds the run of results/.*seed43.json"),
    (entry(seed=42.5), "seed: 42.5 is not of type 'integer'"),
    (entry(seed=True), "seed: True is not of type 'integer'"),
    (entry(mode="quick"), r"mode: 'full' was expected \(results are of full runs\)"),
    (entry(data={"mnist": {"origin": "stand-in", "digests": {}}}), "data.mnist.origin: 'real' was expected"),
    (entry(revision="yesterday"), "revision: 'yesterday' does not match"),
    (entry(more=1), "'more' was unexpected"),
    (lambda path: path.write_bytes(path.read_bytes().replace(b"a processor", b"\xff")), "can't decode"),
    (lambda path: path.write_bytes(path.read_text().encode("utf-16")), "can't decode"),
    (as_folder, "it is no file"),
    (as_loop, "a link that leads to no file"),
    (as_dangling_link, "a link that leads to no file"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_a_damaged_record_is_one_sentence_with_the_file_and_the_remedy(measured, damage, message):
    change(path_of(measured), cpu="a processor")
    damage(path_of(measured))
    records, _, problems = evidence.read_records(measured)
    if not message:
        assert problems == []
        return
    (problem,) = problems
    assert re.search(rf"results/{STACK}/01_tiny/seed42.json.*{message}", problem)
    assert "delete it" in problem
    assert problem.isprintable()
    assert len(problem) < 500
    assert len(records) == 5
    with pytest.raises(CourseError, match="the report takes whole results only"):
        report.pending(measured)
    # It is measured again like one that is not there.
    assert evidence.to_do(lesson_of(measured), 42, measured)


ODD = [None, True, -1, 1.5, 10**400, "", "x", "\x00", [], [[]], {}, {"": {}}, {"a": {"b": [{}]}}, {"a": ""}]


def test_whatever_stands_in_a_field_the_record_reads_or_a_sentence_says_why_not(measured):
    path, lesson, claims = path_of(measured), lesson_of(measured), load_claims()
    whole, read, said = load(path), [], []
    for key in schemas.RECORD["required"]:
        for value in ODD:
            path.write_text(json.dumps(whole | {key: value}))
            try:
                read.append(evidence.read_record(path))
            except CourseError as error:
                said.append(str(error))
        path.write_text(json.dumps({name: entry for name, entry in whole.items() if name != key}))
        with pytest.raises(CourseError, match=f"'{key}' is a required property"):
            evidence.read_record(path)
    assert all(f"results/{STACK}/01_tiny/seed42.json" in text and text.isprintable() for text in said)
    # What reads can be reported, as runs of other seeds.
    assert len(read) > 10 < len(said)
    records = [record | {"seed": seed} for seed, record in enumerate(read)]
    stale = {(STACK, "01_tiny", r["seed"]): evidence.changed(r, lesson) or ["x"] for r in records}
    judged = report.judge(records, claims)
    json.dumps(report.tables(records, stale, judged, claims), ensure_ascii=False).encode()
    report.results_page(records, [], stale, judged, claims).encode()


def test_files_in_other_places_are_named_and_others_than_json_left_alone(measured):
    (measured / "results" / "notes.json").write_text("{}")
    (measured / "results" / STACK / "01_tiny" / "copy of seed42.json").write_text("{}")
    (measured / "results" / "README.md").write_text("hello")
    (measured / "results" / STACK / "01_tiny" / ".seed42.json.7.tmp").write_text("{")
    (measured / "results" / "keras4").symlink_to("keras4")
    (measured / "results" / "elsewhere").symlink_to(measured / "results" / STACK)
    records, _, problems = evidence.read_records(measured)
    assert len(records) == 6
    assert len(problems) == 4
    listed = "\n".join(problems)
    assert (
        listed.count("is no record: they stand in results/<stack>/<lesson>/seed<seed>.json; delete it") == 2
    )
    assert listed.count("is a link that leads to no file; delete it") == 2


def test_a_file_in_the_place_of_the_folder_is_named(course):
    (course / "results").write_text("")
    (problem,) = evidence.read_records(course)[2]
    assert "results cannot be read (Not a directory)" in problem


def test_a_repeat_without_its_first_run_is_named(measured):
    path = path_of(measured, 45, again=True)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(load(path_of(measured)) | {"seed": 45}))
    (problem,) = evidence.read_records(measured)[2]
    assert (
        f"results/repeats/{STACK}/01_tiny/seed45.json repeats results/{STACK}/01_tiny/seed45.json" in problem
    )


# --- what has changed since -------------------------------------------------------------------------------


def test_records_of_the_present_code_are_not_stale(measured):
    assert evidence.stale_records(measured) == []
    assert evidence.stale([], measured) == {}


def test_prose_and_drawing_make_nothing_stale(measured):
    edit_lesson(measured, "A lesson.", "A fine lesson.")
    edit_lesson(measured, "a drawing", "a nicer drawing")
    edit_lesson(measured, "# what every lesson sets up", "# set-up")
    assert evidence.stale_records(measured) == []


def test_a_changed_lesson_makes_its_records_stale_and_nothing_fails(measured):
    edit_lesson(measured, "gauss(0, 0.1)", "gauss(0, 0.2)")
    lines = evidence.stale_records(measured)
    assert lines == [
        f"01_tiny, {stack} stack, seeds 42 43 44: measured with revision 0123456, before a change of the "
        "lesson's code. python -m build_tools repeat 01 (where no number should change), or else "
        "python -m build_tools reproduce 01 --seeds 42 43 44"
        for stack in ("addons", "keras3")
    ]
    assert len(evidence.read_records(measured)[0]) == 6


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        ({"modules": {"course_utils.data": "0"}}, ["course_utils.data"]),
        ({"modules": {"course_utils.batches": "0"}}, ["course_utils.batches"]),  # a module that is gone
        ({"modules": {"course_utils.plotting": "0", "course_utils.checks.lesson_05": "0"}}, []),
        ({"data": {"mnist": {"origin": "real", "digests": {"x_train": "0"}}}}, ["the mnist data"]),
        ({"measurements": {"S9.c1": {"number": 1.0}}}, ["claim S9.c2", "claim S9.c3"]),
        ({"code": "0", "modules": {"course_utils": "0"}}, ["the lesson's code", "course_utils"]),
    ],
)
def test_what_has_changed_is_named(measured, entries, names):
    record = load(path_of(measured)) | entries
    assert evidence.changed(record, lesson_of(measured)) == names


def test_measures_that_the_claim_does_not_ask_for_are_of_another_claims_file(measured):
    record = load(path_of(measured))
    record["measurements"] |= {"S9.c1": {"numbr": 1.0}, "S9.c77": {"a": 1.0}}
    assert evidence.changed(record, lesson_of(measured)) == ["claim S9.c1", "claim S9.c77"]


def test_records_of_a_lesson_that_is_gone_are_shown(measured):
    (measured / "lessons" / "01_tiny.py").rename(measured / "lessons" / "02_other.py")
    lines = evidence.stale_records(measured)
    assert len(lines) == 2
    assert all(line.endswith(f"which is gone. Delete results/{line.split()[1]}/01_tiny") for line in lines)


def test_a_note_stays_short():
    names = ["the lesson's code", *(f"course_utils.m{i}" for i in range(9)), "claim S9.c1"]
    records = [
        {"revision": revision, "date": date}
        for revision, date in [("bbbbbbbbbbbb", "2026-11-22"), ("aaaaaaaaaaaa+", "2026-11-21")]
    ]
    assert evidence.before_a_change(records, names) == (
        "measured with revisions aaaaaaa+ to bbbbbbb, before a change of the lesson's code, claim S9.c1 and "
        "9 modules of course_utils"
    )
    assert evidence.before_a_change(records[:1], ["course_utils.data", "claim S9.c1"]) == (
        "measured with revision bbbbbbb, before a change of course_utils.data and claim S9.c1"
    )


def test_every_module_that_cannot_matter_exists():
    package = Path(course_utils.__file__).parent
    for name in evidence.SILENT:
        base = package.joinpath(*name.split(".")[1:])
        assert base.with_suffix(".py").exists() or (base / "__init__.py").exists(), name


def test_claims_name_headings_that_exist(course):
    assert evidence.claim_problems(course) == []
    edit_lesson(course, "## Measure", "## Weigh")
    assert evidence.claim_problems(course)[0] == "claim S9.c1: 01_tiny has no heading 'Measure'"
    (course / "lessons" / "01_tiny.py").rename(course / "lessons" / "02_other.py")
    assert evidence.claim_problems(course)[0] == "claim S9.c1: there is no lesson 01_tiny"


# --- measuring --------------------------------------------------------------------------------------------


def test_reproduce_measures_skips_and_goes_on(course, kernel, capsys):
    (outcome,) = evidence.reproduce(["01"], [42, 42])
    assert outcome.passed
    record = load(path_of(course))
    assert record["measurements"]["S9.c1"] == {"number": 1.42}
    assert record["modules"] == module_digests(MODULES)
    assert (record["code"], record["seconds"], record["revision"]) == (
        lesson_of(course).code,
        12.3,
        "unknown",
    )
    assert evidence.stale_records(course) == []
    kept = load(evidence.kept_notebook(course, STACK, "01_tiny", 42))
    assert kept["metadata"]["course"] == {"code": record["code"], "modules": record["modules"]}

    assert evidence.reproduce(["01"], [42]) == []
    assert "0 of 1 runs to do, 1 in results/ already" in capsys.readouterr().out
    path_of(course).write_text("{")
    assert evidence.reproduce([], [42, 43], dry_run=True) == []
    said = capsys.readouterr().out
    assert f"01_tiny seed 42: results/{STACK}/01_tiny/seed42.json cannot be used" in said
    assert "01_tiny seed 43: no results yet" in said
    assert "2 of 2 runs would run" in said
    assert len(evidence.reproduce([], [42, 43])) == 2
    assert load(path_of(course)) == record


def test_settings_that_do_not_count_are_named(course, kernel, capsys, monkeypatch):
    for name, value in {"COURSE_MODE": "quick", "COURSE_DATA": "real", "COURSE_SEED": "7"}.items():
        monkeypatch.setenv(name, value)
    evidence.reproduce([], [42])
    said = capsys.readouterr().out
    assert "COURSE_MODE=quick does not count here" in said
    assert "COURSE_SEED=7 does not count here" in said
    assert "COURSE_DATA" not in said


def test_a_lesson_without_claims_is_run_only_where_it_is_asked_for(course, kernel):
    small_course.write_lesson(course, "# %%\nx = 1\n", "02_more")
    assert [outcome.name for outcome in evidence.reproduce([], [42])] == ["01_tiny"]
    kernel.entries = {"lesson": "02_more", "measurements": {}}
    (outcome,) = evidence.reproduce(["02"], [42])
    assert outcome.passed
    assert evidence.read_records(course)[0][1]["lesson"] == "02_more"
    kernel.entries = None  # a lesson that records nothing at all
    assert evidence.reproduce(["02"], [43])[0].passed
    assert len(evidence.read_records(course)[0]) == 2


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({}, ""),
        ({"code": "0" * 16}, "measured with revision 0123456, before a change of the lesson's code"),
        ({"versions": {"python": "3.11.0", "keras": "9.9"}}, "other versions: keras 9.9 there"),
    ],
)
def test_other_code_or_versions_make_a_run_due(measured, entries, reason):
    change(path_of(measured), **entries)
    said = evidence.to_do(lesson_of(measured), 42, measured)
    assert (reason in said) if reason else said == ""


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"mode": "quick"}, "mode: 'full' was expected"),
        (
            {"data": {"mnist": {"origin": "stand-in", "digests": {}}}},
            "data.mnist.origin: 'real' was expected",
        ),
        (
            {"data": {"mnist": {"origin": "real", "digests": {"x_train": "0"}}}},
            "other data .*: the mnist data",
        ),
        ({"seed": 43}, "it recorded seed 43, and was run for 42"),
        ({"stack": OTHER}, f"it recorded stack '{OTHER}'"),
        ({"measurements": {}}, "S9.c1 was not recorded; S9.c2 was not recorded; S9.c3 was not recorded"),
        (None, "it recorded nothing"),
    ],
)
def test_what_is_no_evidence_stays_out_of_results(course, kernel, entries, problem):
    kernel.entries = entries
    (outcome,) = evidence.reproduce(["01"], [42])
    assert not outcome.passed
    assert re.search(problem, outcome.problem)
    assert not (course / "results").exists()


def test_a_failed_run_keeps_its_notebook_and_nothing_else(course, kernel):
    kernel.problem = "cell 1: it broke"
    (outcome,) = evidence.reproduce(["01"], [42])
    assert not outcome.passed
    assert kernel.said == [f"build/evidence/{STACK}/01_tiny/seed42.ipynb"]
    assert not (course / "results").exists()


def test_a_package_edited_while_a_lesson_ran_gives_no_evidence(course, kernel, monkeypatch):
    before = dict.fromkeys(evidence._package(), "as it was")
    monkeypatch.setattr(
        evidence, "module_digests", lambda names: {n: before.pop(n, "as it is") for n in names}
    )
    (outcome,) = evidence.reproduce(["01"], [42])
    assert "course_utils.data, course_utils.lesson, course_utils.plotting was edited" in outcome.problem
    assert not (course / "results").exists()


def test_a_run_for_its_notebooks_sake_leaves_a_valid_measurement_alone(measured, kernel):
    before = path_of(measured).read_text()
    evidence.measure([(lesson_of(measured), 42)])
    assert path_of(measured).read_text() == before
    change(path_of(measured), code="0")
    evidence.measure([(lesson_of(measured), 42)])
    assert load(path_of(measured))["measurements"]["S9.c1"] == {"number": 1.42}


def test_what_a_killed_run_left_of_a_file_is_removed_after_an_hour(measured, kernel):
    old, new = (path_of(measured).with_name(f".seed42.json.{i}.tmp") for i in (1, 2))
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    evidence.measure([])
    assert [old.exists(), new.exists()] == [False, True]


def test_the_package_is_all_of_its_modules():
    assert {"course_utils", "course_utils.addons", "course_utils.data"} <= set(evidence._package())


@pytest.mark.parametrize("mode", ["quick", "full"])
@pytest.mark.parametrize(
    ("measurements", "problem"),
    [
        ({}, ""),
        ({"S9.c1": None}, "01_tiny: S9.c1 was not recorded"),
        ({"S9.c4": {"a": 1.0}}, "claims.toml has no claim S9.c4 of this lesson"),
        ({"S9.c1": {"numbr": 1.0}}, "S9.c1 asks for number; the lesson recorded numbr"),
        ({"S9.c1": {"number": 1.0, "more": 1.0}}, "the lesson recorded more, number"),
        ({"S9.c1": {"number": [1.0]}}, "S9.c1 asks for a number as number; the lesson recorded a list of 1"),
        ({"S9.c1": {"number": True}}, "the lesson recorded True or False"),
        ({"S9.c2": {"more": [1.0, 2.0], "less": [1.0]}}, "recorded a list of 2 and a list of 1"),
        ({"S9.c2": {"more": [1.0], "less": 1.0}}, "recorded a list of 1 and a number"),
        ({"S9.c2": {"more": True, "less": False}}, "recorded True or False and True or False"),
        ({"S9.c3": {"holds": 1.0, "worst": 0.5}}, "S9.c3 asks for True or False as holds"),
        ({"S9.c3": {"holds": True, "worst": False}}, "S9.c3 asks for a number as worst"),
    ],
)
def test_a_lesson_has_to_record_what_its_claims_ask_for_in_every_mode(course, measurements, problem, mode):
    record = small_course.a_record(lesson_of(course), 42, number=1.0, modules={}) | {"mode": mode}
    record["measurements"] |= measurements
    record["measurements"] = {name: one for name, one in record["measurements"].items() if one}
    if problem:
        with pytest.raises(CourseError, match=problem):
            evidence.check_record(record)
    else:
        evidence.check_record(record)


# --- the same seed twice ----------------------------------------------------------------------------------


def test_a_repeat_that_is_equal_leaves_records_of_the_present_code_alone(course, kernel, capsys):
    assert evidence.repeat(["01"]) == []
    assert "01_tiny: no run was made on this processor" in capsys.readouterr().out
    evidence.reproduce(["01"], [42, 43])
    before = path_of(course).read_text()
    kernel.ran.clear()
    (outcome,) = evidence.repeat([])
    assert outcome.passed
    assert kernel.ran == [("01_tiny", 42)]
    assert kernel.said[-1] == f"results/repeats/{STACK}/01_tiny/seed42.json  (equal to the last bit)"
    assert path_of(course).read_text() == before
    assert not evidence.kept_notebook(course, STACK, "01_tiny", 42, again=True).samefile(
        evidence.kept_notebook(course, STACK, "01_tiny", 42)
    )
    # It counts for nothing else, and is not made a third time.
    records, repeats, problems = evidence.read_records(course)
    assert (len(records), len(repeats), problems) == (2, 1, [])
    assert evidence.repeat(["01"]) == []
    assert "01_tiny seed 42: repeated already, equal to the last bit" in capsys.readouterr().out
    assert evidence.stale_records(course) == []


def test_a_repeat_that_is_equal_dates_all_records_of_the_same_code_anew(course, kernel, monkeypatch):
    evidence.reproduce(["01"], [42, 43, 44, 45, 46])
    change(path_of(course, 44), code="of an older code")
    change(path_of(course, 45), versions={"python": "3.9.1"})
    change(path_of(course, 46), cpu="another processor")
    other = path_of(course, 42, OTHER)
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps(load(path_of(course)) | {"stack": OTHER}))
    before = {seed: load(path_of(course, seed)) for seed in (42, 43, 44, 45, 46)}
    untouched = other.read_text()

    edit_lesson(course, "number = 1.5", "number = 0.5 + 1.0")
    monkeypatch.setattr(evidence, "revision", lambda root: "fedcba987654")
    kernel.ran.clear()
    evidence.repeat(["01"])
    # Each older code needs a seed of its own.
    assert kernel.ran == [("01_tiny", 42), ("01_tiny", 44)]
    assert kernel.said[-2].endswith("(equal to the last bit; dated anew: seeds 42 43 46)")
    assert kernel.said[-1].endswith("(equal to the last bit; dated anew: seeds 44)")
    for seed in (42, 43, 44, 46):
        now = load(path_of(course, seed))
        assert (now["code"], now["revision"]) == (lesson_of(course).code, "fedcba987654")
        assert now["modules"] == module_digests(MODULES)
        kept = {"code", "modules", "revision", "date"}
        assert {k: v for k, v in now.items() if k not in kept} == {
            k: v for k, v in before[seed].items() if k not in kept
        }
    # Other versions and the other stack have to speak for themselves.
    assert load(path_of(course, 45)) == before[45]
    assert other.read_text() == untouched
    assert len(evidence.stale_records(course)) == 2


def test_a_repeat_that_differs_leaves_the_records_stale_and_says_in_what(course, kernel, capsys):
    evidence.reproduce(["01"], [42, 43])
    edit_lesson(course, "number = 1.5", "number = 0.5 + 1.0")
    before = {seed: path_of(course, seed).read_text() for seed in (42, 43)}
    kernel.number = lambda seed: float(np.nextafter(1.0 + seed / 100, 2))
    (outcome,) = evidence.repeat(["01"])
    assert outcome.passed
    assert kernel.said[-1].endswith("(differs in S9.c1 (number))")
    assert {seed: path_of(course, seed).read_text() for seed in (42, 43)} == before
    stale, problem = evidence.stale_records(course)
    assert "seeds 42 43: measured with" in stale
    assert f"01_tiny, {STACK} stack, seed 42: the second run differs in S9.c1 (number)" in problem
    assert problem.endswith("python -m build_tools reproduce 01 --seeds 42")
    assert evidence.repeat_problems(course) == [problem]
    assert evidence.repeat(["01"]) == []
    assert "repeated already, differs in S9.c1 (number)" in capsys.readouterr().out
    # Measured again, the two agree.
    evidence.reproduce(["01"], [42, 43])
    assert evidence.stale_records(course) == []


def test_a_repeat_whose_dating_was_interrupted_is_finished_without_a_run(course, kernel):
    evidence.reproduce(["01"], [42, 43])
    old = {seed: path_of(course, seed).read_text() for seed in (42, 43)}
    edit_lesson(course, "number = 1.5", "number = 0.5 + 1.0")
    evidence.repeat(["01"])
    path_of(course, 43).write_text(old[43])
    kernel.ran.clear()
    path_of(course, 42).write_text(old[42])
    assert evidence.repeat(["01"]) == []
    assert kernel.ran == []
    assert evidence.stale_records(course) == []
    # Records of another older code need a seed of their own, though one has been repeated.
    change(path_of(course, 43), code="of an older code")
    evidence.repeat(["01"])
    assert kernel.ran == [("01_tiny", 43)]


def test_the_same_code_with_other_numbers_is_no_matter_of_a_change(course, kernel):
    evidence.reproduce(["01"], [42])
    kernel.number = lambda seed: 2.0
    evidence.repeat(["01"])
    (problem,) = evidence.repeat_problems(course)
    assert problem.endswith("differs in S9.c1 (number); S9.c2 (more), which runs of the same code should not")
    # Another processor or other versions may differ.
    change(path_of(course), cpu="another")
    assert evidence.repeat_problems(course) == []


def test_a_time_may_differ(course, kernel):
    claims = course / "ledger" / "claims.toml"
    claims.write_text(claims.read_text().replace('text = "The number', 'timing = true\ntext = "The number'))
    evidence.reproduce(["01"], [42])
    edit_lesson(course, "number = 1.5", "number = 0.5 + 1.0")
    kernel.number = lambda seed: 2.0
    kernel.entries = {"measurements": load(path_of(course))["measurements"] | {"S9.c1": {"number": 2.0}}}
    evidence.repeat(["01"])
    assert evidence.stale_records(course) == []


def test_results_that_are_not_whole_are_not_repeated(measured, kernel):
    path_of(measured).write_text("{")
    with pytest.raises(CourseError, match=r"results/ is not whole:\n.*seed42.json"):
        evidence.repeat(["01"])
    assert kernel.ran == []


# --- where it was measured --------------------------------------------------------------------------------

XEON = "model name\t: Intel(R) Xeon(R) Processor\n"


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (
            "processor\t: 0\ncpu family\t: 6\nmodel\t\t: 207\n"
            + XEON
            + "stepping\t: 2\nflags\t\t: fpu vme\n\nprocessor\t: 1\nmodel\t\t: 143\n"
            + XEON,
            "Intel(R) Xeon(R) Processor (family 6, model 207, stepping 2)",
        ),
        (XEON, "Intel(R) Xeon(R) Processor"),
        ("processor\t: 0\nBogoMIPS\t: 48.00\nCPU architecture: 8\n", ""),
        ("", ""),
    ],
)
def test_processors_of_one_name_are_told_apart_by_their_numbers(cpuinfo, name):
    assert environment._from_cpuinfo(cpuinfo) == name


def test_the_environment_is_named():
    assert {"python", "numpy", "keras", "tensorflow"} <= set(environment.versions())
    assert environment.cpu_model()
    assert sorted(environment.threads()) == ["cores", "inter_op", "intra_op", "omp"]


def test_the_revision_is_the_commit_with_a_plus_where_lessons_or_package_have_changed(tmp_path):
    assert environment.revision(tmp_path / "none") == "unknown"

    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    for name in ("lessons/01.py", "course_utils/verdicts.json", "results/seed42.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    commit = git("rev-parse", "--short=12", "HEAD")
    assert environment.revision(tmp_path) == commit
    for name in ("course_utils/verdicts.json", "results/seed42.json"):
        (tmp_path / name).write_text("2")
    assert environment.revision(tmp_path) == commit
    (tmp_path / "lessons" / "01.py").write_text("2")
    assert environment.revision(tmp_path) == f"{commit}+"


def test_every_record_of_the_course_reads():
    root = Path(__file__).resolve().parents[1]
    records, repeats, problems = evidence.read_records(root)
    assert problems == []
    files = set((root / "results").rglob("*.json"))
    assert len(records) + len(repeats) == len(files)
