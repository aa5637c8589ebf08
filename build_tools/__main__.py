"""The command line for authors: run, build, reproduce, repeat, report."""

import argparse
import os
import sys

from build_tools import CourseError
from course_utils.stack import STACK, STACKS

_LESSONS = "lessons by number (05), by name or by the beginning of a name (default: all)"


def parser():
    """Describe the command line.

    >>> parser().parse_args(["run", "05", "--seed", "7"]).seed
    7
    """
    top = argparse.ArgumentParser(
        prog="python -m build_tools",
        description="Run the course's lessons, measure their claims, and build notebooks and reports.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(do, text, examples, lessons=True):
        name = do.__name__.strip("_")
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog="examples:\n" + "\n".join(f"  python -m build_tools {example}" for example in examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(do=do)
        if lessons:
            command.add_argument("lessons", nargs="*", metavar="LESSON", help=_LESSONS)
            command.add_argument(
                "--jobs",
                "-j",
                type=_positive,
                metavar="N",
                help="how many run at the same time (default: one per core)",
            )
        return command

    run = add(
        _run,
        "run lessons and keep the executed notebooks",
        ["run", "run 05 07 --mode full", "run weight --mode full --seed 7 --jobs 1"],
    )
    run.add_argument("--mode", choices=["quick", "full"], help="default: COURSE_MODE, otherwise quick")
    run.add_argument("--seed", type=_seed, metavar="N", help="default: COURSE_SEED, otherwise 42")
    run.add_argument(
        "--out", metavar="DIR", help="folder for the notebooks (default: build/run/<stack>-<mode>/)"
    )
    run.add_argument(
        "--solutions",
        dest="edition",
        action="store_const",
        const="solutions",
        default="measured",
        help="run the solutions of the lessons' exercises instead",
    )

    build = add(
        _build,
        "bring the text and code of notebooks/ up to date with lessons/ and keep the outputs",
        ["build", "build 05 --run", "build --check"],
    )
    build.add_argument(
        "--check", action="store_true", help="write nothing; fail if a notebook has to be written"
    )
    build.add_argument(
        "--run",
        action="store_true",
        help="run the lessons whose code has changed, in full mode, on real data",
    )
    build.add_argument(
        "--force", action="store_true", help="with --run: also run the lessons whose code has not changed"
    )
    build.add_argument(
        "--stack", choices=STACKS, default="keras3", help="stack whose outputs are shown (default: keras3)"
    )

    reproduce = add(
        _reproduce,
        "measure the claims with several seeds, on real data; skip runs that are in results/ already",
        ["reproduce --seeds 42 43 44", "reproduce 05 --seeds 42 43", "reproduce --seeds 42 --dry-run"],
    )
    reproduce.add_argument(
        "--seeds", type=_seed, nargs="+", default=[42, 43, 44], metavar="N", help="default: 42 43 44"
    )
    reproduce.add_argument(
        "--dry-run", action="store_true", help="only list the runs that would start, and why"
    )

    repeat = add(
        _repeat,
        "run lessons again with a seed measured on this processor, and compare to the last bit",
        ["repeat", "repeat 05", "repeat --quick --since origin/main"],
    )
    repeat.add_argument(
        "--quick",
        action="store_true",
        help="run in quick mode, and compare with the tests' records in build/records/",
    )
    repeat.add_argument(
        "--since", metavar="REV", help="with --quick: only lessons that differ from this commit"
    )
    repeat.add_argument(
        "--other-seed",
        action="store_true",
        help="with --quick: also run the first lesson with another seed, which has to give other numbers",
    )

    report = add(
        _report,
        "write the verdicts: RESULTS.md, the tables in the package, and the tables in notebooks/",
        ["report", "report --check", "report --stale", "report --release"],
        lessons=False,
    )
    only = report.add_mutually_exclusive_group()
    only.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    only.add_argument(
        "--stale", action="store_true", help="write nothing; list what has to be measured again"
    )
    only.add_argument(
        "--release",
        action="store_true",
        help="write nothing; fail if the results are not ready for a release",
    )
    return top


def main(arguments=None):
    """Run a command. Return 0; 1 if something failed or is out of date; 2 for an error; 130 after Ctrl-C."""
    options = parser().parse_args(arguments)
    try:
        return options.do(options)
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        # The problem is a file or folder that the user named, or that cannot be written. It is not an error
        # in the code.
        print(f"error: {error.filename or 'the current folder'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nInterrupted: {_AFTER_INTERRUPT[options.command]}", file=sys.stderr)
        return 130


_AFTER_INTERRUPT = {
    "run": "the notebooks listed above are complete; run the command again for the others.",
    "reproduce": "the runs listed above are in results/; the same command continues from there.",
    "repeat": "every file is complete; the same command continues from there.",
    "report": "every file is complete; run the command again.",
    "build": "every file is complete, and the runs listed above are kept; run the command again.",
}


def _run(options):
    from build_tools.execute import run, select

    mode = options.mode or os.environ.get("COURSE_MODE") or "quick"
    seed = options.seed if options.seed is not None else _environment_seed()
    jobs = _jobs(options, len(select(options.lessons)))
    print(f"{mode} mode, seed {seed}, {STACK} stack, {jobs} at a time", flush=True)
    outcomes = run(options.lessons, mode, seed, jobs, options.out, edition=options.edition)
    return _said(outcomes, "passed", [outcome.name for outcome in outcomes if not outcome.passed])


def _build(options):
    from build_tools import notebooks
    from build_tools.execute import shown

    if options.force and not options.run:
        raise CourseError("--force needs --run: add --run, or leave --force out")
    if options.check:
        dues = notebooks.plan(options.lessons)
        changed = [f"{shown(path)}: {why}" for due in dues for path, (_, why) in due.files.items()]
        problems = [due.problem for due in dues if due.problem]
    else:
        jobs = _jobs(options, 99)
        changed, problems = notebooks.build(options.lessons, jobs, options.run, options.force, options.stack)
        dues = notebooks.plan(options.lessons)
    for line in changed:
        print(line)
    stale = list(dict.fromkeys(due.lesson.name[:2] for due in dues if due.stale))
    if stale:
        print(f"some outputs come from earlier code: python -m build_tools build {' '.join(stale)} --run")
    for problem in problems:
        print(problem, file=sys.stderr)
    if not changed and not problems and not stale:
        print("every notebook is up to date")
    return 1 if problems or (options.check and changed) else 0


def _reproduce(options):
    from build_tools.evidence import reproduce
    from build_tools.execute import select

    jobs = _jobs(options, len(options.seeds) * len(select(options.lessons)))
    outcomes = reproduce(options.lessons, options.seeds, jobs, options.dry_run)
    failed = [f"{outcome.name} seed {outcome.seed}" for outcome in outcomes if not outcome.passed]
    if not outcomes:
        return 0
    code = _said(outcomes, "runs stored", failed)
    print("to write the verdicts: python -m build_tools report")
    return code


def _repeat(options):
    from build_tools import evidence, twice
    from build_tools.execute import select

    if options.quick:
        jobs = _jobs(options, len(select(options.lessons)))
        problems, compared = twice.repeat_quick(options.lessons, options.since, options.other_seed, jobs)
        print(f"{compared} lessons run a second time" + ("" if problems else ": equal to the last bit"))
        failed = []
    else:
        if options.since or options.other_seed:
            raise CourseError("--since and --other-seed need --quick")
        outcomes = evidence.repeat(options.lessons, _jobs(options, len(select(options.lessons))))
        failed = [outcome.name for outcome in outcomes if not outcome.passed]
        if outcomes:
            _said(outcomes, "runs stored", failed)
        problems = evidence.repeat_problems()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if failed or problems else 0


def _report(options):
    from build_tools import report

    if options.stale:
        lines = report.stale_records()
        print("\n".join(lines) if lines else "no record is stale")
        return 0
    if options.release or options.check:
        found = (
            report.release_problems()
            if options.release
            else [f"{file} is out of date: python -m build_tools report" for file in report.out_of_step()]
        )
        for line in found:
            print(line, file=sys.stderr)
        return 1 if found else 0
    changed = report.report()
    print("\n".join(f"wrote {file}" for file in changed) or "nothing changed")
    return 0


def _said(outcomes, word, failed):
    """Print how many runs succeeded and which failed; return the exit code."""
    names = f"; failed: {', '.join(failed)}" if failed else ""
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} {word}{names}")
    return 1 if failed else 0


def _jobs(options, tasks):
    import joblib

    return max(1, min(options.jobs or joblib.cpu_count(), tasks))


def _environment_seed():
    try:
        return _seed(os.environ.get("COURSE_SEED") or "42")
    except argparse.ArgumentTypeError as error:
        raise CourseError(f"COURSE_SEED: {error}") from None


def _seed(text):
    if not (text.isascii() and text.isdecimal()) or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(
            f"a seed should be a whole number from 0 to 2**32 - 1; received {text!r}"
        )
    return int(text)


def _positive(text):
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"should be a whole number ≥ 1; received {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
