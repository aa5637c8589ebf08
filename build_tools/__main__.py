"""The course's command line: run, reproduce, repeat, report, data, build."""

import argparse
import os
import sys

from build_tools import CourseError
from build_tools.environment import current_stack
from course_utils.stack import STACKS

_LESSONS = "lessons by number (05), name or its beginning; all if none is given"


def parser():
    """Describe the command line.

    Returns
    -------
    argparse.ArgumentParser

    Examples
    --------
    >>> parser().parse_args(["run", "05", "--seed", "7"]).seed
    7
    """
    top = argparse.ArgumentParser(
        prog="python -m build_tools",
        description="Run the course's lessons, measure their claims, and build what is shown.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, text, examples):
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog="examples:\n" + "\n".join(f"  python -m build_tools {example}" for example in examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        return command

    def jobs(command):
        command.add_argument(
            "--jobs", "-j", type=_positive, metavar="N", help="how many at a time (default: one per core)"
        )

    run = add(
        "run",
        "run lessons and keep the executed notebooks",
        ["run", "run 05 07 --mode full", "run weight --mode full --seed 7 --jobs 1"],
    )
    run.add_argument("lessons", nargs="*", metavar="LESSON", help=_LESSONS)
    run.add_argument("--mode", choices=["quick", "full"], help="default: COURSE_MODE, or else quick")
    run.add_argument("--seed", type=_seed, metavar="N", help="default: COURSE_SEED, or else 42")
    run.add_argument("--out", metavar="DIR", help="where to (default: build/run/<stack>-<mode>/)")
    run.add_argument(
        "--solutions",
        dest="edition",
        action="store_const",
        const="solutions",
        default="measured",
        help="run the solutions of the lessons' exercises instead",
    )
    jobs(run)
    run.set_defaults(do=_run)

    reproduce = add(
        "reproduce",
        "measure the claims with several seeds, on the real data; what results/ already holds is skipped",
        [
            "reproduce --seeds 42 43 44",
            "reproduce 05 --seeds 42 43 44 45 46",
            "reproduce --seeds 42 --dry-run",
        ],
    )
    reproduce.add_argument("lessons", nargs="*", metavar="LESSON", help=_LESSONS)
    reproduce.add_argument(
        "--seeds", type=_seed, nargs="+", default=[42, 43, 44], metavar="N", help="42 43 44"
    )
    reproduce.add_argument("--dry-run", action="store_true", help="only list what would run, and why")
    jobs(reproduce)
    reproduce.set_defaults(do=_reproduce)

    repeat = add(
        "repeat",
        "run lessons once more with a seed already measured here, and compare to the last bit",
        ["repeat", "repeat 05"],
    )
    repeat.add_argument("lessons", nargs="*", metavar="LESSON", help=_LESSONS)
    jobs(repeat)
    repeat.set_defaults(do=_repeat)

    report = add(
        "report",
        "write the verdicts: RESULTS.md, the summary the package ships, the tables in notebooks/",
        ["report", "report --check"],
    )
    report.add_argument(
        "--check", action="store_true", help="write nothing; fail if a file or a result is out of date"
    )
    report.set_defaults(do=_report)

    data = add(
        "data",
        "say where the data sets come from, verify them, or fetch them",
        ["data", "data fetch", "data fetch cifar10", "data verify"],
    )
    data.add_argument("action", nargs="?", choices=["where", "verify", "fetch"], default="where")
    data.add_argument("names", nargs="*", metavar="NAME", help="mnist, fashion_mnist, cifar10; all if none")
    data.set_defaults(do=_data)

    build = add(
        "build",
        "bring notebooks/ up to date with lessons/; a lesson whose code changed is run in full",
        ["build", "build 05", "build --check"],
    )
    build.add_argument("lessons", nargs="*", metavar="LESSON", help=_LESSONS)
    build.add_argument(
        "--check", action="store_true", help="write nothing; fail if a notebook is out of date"
    )
    build.add_argument(
        "--force", action="store_true", help="run the lessons even where their code is unchanged"
    )
    build.add_argument(
        "--stack", choices=STACKS, default="keras3", help="whose outputs to show (default: keras3)"
    )
    jobs(build)
    build.set_defaults(do=_build)
    return top


def main(arguments=None):
    """Run a command.

    Parameters
    ----------
    arguments : list of str, optional
        By default those of the process.

    Returns
    -------
    int
        0; 1 if something failed or is out of date; 2 if the command cannot be carried out; 130 after Ctrl-C.

    Examples
    --------
    >>> main(["run", "99"])  # doctest: +SKIP
    2
    """
    options = parser().parse_args(arguments)
    try:
        return options.do(options)
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nInterrupted: {_AFTER_INTERRUPT[options.command]}", file=sys.stderr)
        return 130


_AFTER_INTERRUPT = {
    "run": "the notebooks named above are whole; run again for the others.",
    "reproduce": "the runs named above are in results/; the same command goes on from there.",
    "repeat": "the runs named above are in results/repeats/; the same command goes on from there.",
    "report": "every file is whole; run it again.",
    "data": "a file half fetched was not kept; run it again.",
    "build": "the runs named above are kept; the same command goes on from there.",
}


def _run(options):
    from build_tools.execute import run, select

    mode = options.mode or os.environ.get("COURSE_MODE") or "quick"
    seed = options.seed if options.seed is not None else _environment_seed()
    jobs = _jobs(options, len(select(options.lessons)))
    print(f"{mode} mode, seed {seed}, {current_stack()} stack, {jobs} at a time", flush=True)
    outcomes = run(options.lessons, mode, seed, jobs, options.out, edition=options.edition)
    failed = [outcome.name for outcome in outcomes if not outcome.passed]
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} passed" + _failures(failed))
    return 1 if failed else 0


def _reproduce(options):
    from build_tools.evidence import reproduce
    from build_tools.execute import select

    jobs = _jobs(options, len(options.seeds) * len(select(options.lessons)))
    outcomes = reproduce(options.lessons, options.seeds, jobs, options.dry_run)
    failed = [f"{outcome.name} seed {outcome.seed}" for outcome in outcomes if not outcome.passed]
    if outcomes:
        print(f"{len(outcomes) - len(failed)} of {len(outcomes)} runs stored" + _failures(failed))
        print("python -m build_tools report  turns them into verdicts")
    return 1 if failed else 0


def _repeat(options):
    from build_tools.evidence import repeat, repeat_problems
    from build_tools.execute import select

    outcomes = repeat(options.lessons, _jobs(options, len(select(options.lessons))))
    failed = [outcome.name for outcome in outcomes if not outcome.passed]
    if outcomes:
        print(f"{len(outcomes) - len(failed)} of {len(outcomes)} runs stored" + _failures(failed))
    problems = repeat_problems()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if failed or problems else 0


def _report(options):
    from build_tools.evidence import problems, repeat_problems
    from build_tools.notebooks import report, stale

    outdated = problems() + repeat_problems()
    for problem in outdated:
        print(problem, file=sys.stderr)
    if options.check:
        files = stale()
        for file in files:
            print(f"{file} is out of date: python -m build_tools report", file=sys.stderr)
        return 1 if files or outdated else 0
    changed = report()
    for file in changed:
        print(f"wrote {file}")
    if not changed:
        print("nothing changed")
    return 0


def _data(options):
    from course_utils import data

    for name in options.names:
        if name not in data.DIGESTS:
            raise CourseError(f"no data set {name!r}; there are: {', '.join(data.DIGESTS)}")
    names = options.names or list(data.DIGESTS)
    failed = False
    try:
        if options.action == "fetch":
            for name in names:
                try:
                    print(f"{name}: {_state(data.fetch(name))}", flush=True)
                except data.DataError as error:
                    failed = True
                    print(f"{name}: {error}", file=sys.stderr)
        else:
            found = data.status()
            for name in names:
                print(f"{name}: {_state(found[name])}")
                failed |= options.action == "verify" and not found[name].verified
    except data.DataError as error:
        raise CourseError(str(error)) from None
    return 1 if failed else 0


def _state(status):
    word = {True: "verified", False: "BROKEN", None: "not here yet"}[status.verified]
    return f"{word}, from {status.source} ({status.detail})"


def _build(options):
    from build_tools.execute import select
    from build_tools.notebooks import build

    jobs = _jobs(options, len(select(options.lessons)))
    changed, problems = build(options.lessons, jobs, options.check, options.force, options.stack)
    for line in changed:
        print(line)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not changed and not problems:
        print("every notebook is up to date")
    return 1 if problems or (options.check and changed) else 0


def _failures(failed):
    return f"; failed: {', '.join(failed)}" if failed else ""


def _jobs(options, tasks):
    import joblib

    return max(1, min(options.jobs or joblib.cpu_count(), tasks))


def _environment_seed():
    text = os.environ.get("COURSE_SEED") or "42"
    try:
        return _seed(text)
    except argparse.ArgumentTypeError as error:
        raise CourseError(f"COURSE_SEED: {error}") from None


def _seed(text):
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"a seed is a whole number from 0 to 2**32 - 1, got {text!r}")
    return int(text)


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"should be 1 or more, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
