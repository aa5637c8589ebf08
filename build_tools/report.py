"""Make RESULTS.md and the lessons' tables from results/ and ``claims.toml``, and from nothing else.

`pending` computes the content of every file: RESULTS.md and its picture, the findings in README.md, the
tables in notebooks/, and course_utils/verdicts.json. From the last, a lesson shows the same tables in both
modes and on both stacks. If the code has changed since a claim was measured, its verdict has a † and a note.
"""

import math
import os
from collections import Counter
from pathlib import Path
from statistics import median

from build_tools import CourseError, evidence, figure, judging, schemas
from build_tools.claims import KINDS, ledger_folder, load_claims
from build_tools.execute import shown
from build_tools.judging import FAILS, HOLDS, NOT_ENOUGH, NOT_REPRODUCED, REPRODUCED, REVERSED, WITHIN_NOISE
from build_tools.lessons import repository
from course_utils.files import to_json, write_bytes, write_text
from course_utils.stack import STACKS
from course_utils.verdicts import escape, markdown

COMMAND = "python -m build_tools report"
PICTURE = "docs/claims.png"
STALE = "†"
_WORDS = (REPRODUCED, HOLDS, WITHIN_NOISE, NOT_REPRODUCED, REVERSED, FAILS, NOT_ENOUGH)
# Words that contradict the source, the most surprising first: a reversed comparison, a property that fails, a
# number that is not reproduced.
_AGAINST = (REVERSED, FAILS, NOT_REPRODUCED)
_HOW_TO_READ = f"""\
- **Ours** is the mean ± standard deviation over seeds. The number of seeds stands in parentheses.
- **A printed number** is *reproduced* if it lies in the 95 % prediction interval of our runs (Student's t):
  the range in which one more run of ours would lie with a probability of 95 %. Where a tolerance is stated,
  a number that is no farther from our mean is reproduced too. Otherwise it is *not reproduced*. A printed
  curve is reproduced if all of its points are.
- **An ordering** (“A is greater than B”) is judged by the differences between A and B, seed by seed. It
  *holds* if the 95 % interval of their mean lies above zero, and is *reversed* if that lies below.
  Otherwise it is *within noise*, and the table says how large a difference this number of seeds would have
  found four times in five. An ordering at every epoch is judged by its least clear epoch.
- **A property** *holds* if it held in every run, and *fails* otherwise. The table shows the worst case.
- **Many statements at once.** Of a hundred statements, each judged with 95 % confidence, about five come
  out wrong by chance. So *holds*, *reversed* and *not reproduced* must also pass Holm's correction, over
  all printed numbers of a stack or all of its comparisons. A statement that does not pass is *within
  noise*; the table says which word it would have had alone.
- With fewer than {judging.FEWEST_SEEDS} seeds there is no verdict. The table then says how many seeds there
  are so far.
- {STALE} marks a verdict whose measurements are older than the last change of their code."""


# --- verdicts -----------------------------------------------------------------------------------------------


def judge(records, claims=None):
    """Judge every claim on every stack: claim → stack → ``word``, ``seeds`` and ``rows`` of `Verdict`."""
    claims = claims or load_claims()
    judged = {}
    for stack in STACKS:
        rows = []
        for claim in claims.claims.values():
            runs = [r for r in records if (r["stack"], r["lesson"]) == (stack, claim.lesson)]
            # A record for an older claims.toml may have other measures. It is stale.
            runs = [run for run in runs if not claim.misfit(run["measurements"].get(claim.id, {}))]
            if runs:
                seeds = [run["seed"] for run in runs]
                judged.setdefault(claim.id, {})[stack] = {"seeds": seeds, "rows": []}
                measured = [run["measurements"][claim.id] for run in runs]
                rows += [(claim, one) for one in _alone(claim, measured)]
        # All printed numbers of a stack are corrected together, and so are all its comparisons.
        for kind in KINDS:
            of_kind = [(claim, one) for claim, one in rows if claim.kind == kind]
            for (claim, _), one in zip(of_kind, judging.corrected([one for _, one in of_kind]), strict=True):
                found = judged[claim.id][stack]
                found["rows"].append(one)
                found["word"] = judging.overall([row.word for row in found["rows"]])
    return {claim: judged[claim] for claim in claims.claims if claim in judged}


def _alone(claim, measured):
    """Judge a claim's measures on one stack, each alone."""

    def column(name):
        return [measures[name] for measures in measured]

    if claim.kind == "value":
        return [judging.judge_value(column(name), number, claim.tolerance) for name, number in claim.values]
    if claim.kind == "ordering":
        for name in claim.measures:
            if len({len(value) if isinstance(value, list) else 0 for value in column(name)}) > 1:
                raise CourseError(
                    f"claim {claim.id}: the runs recorded lists of different lengths as {name}; "
                    f"measure the older ones again: {COMMAND} --stale"
                )
        return [judging.judge_ordering(column(one), column(other)) for one, other in claim.orderings]
    return [judging.judge_property(column("holds"), column("worst"), claim.worst_is)]


def seconds(records):
    """Give the time of a full run: lesson → stack → median seconds over the seeds."""
    times = {}
    for record in records:
        times.setdefault(record["lesson"], {}).setdefault(record["stack"], []).append(record["seconds"])
    return {
        lesson: {stack: round(median(values), 1) for stack, values in by_stack.items()}
        for lesson, by_stack in sorted(times.items())
    }


# --- numbers and words as people read them ------------------------------------------------------------------


def marked(word):
    """Write a verdict with its sign."""
    return f"{judging.SIGNS[word]} {word}"


def number(value, decimals=None):
    """Write a number with a given number of decimals, or with four significant digits.

    >>> number(0.60449, 4), number(123456.0), number(-0.00001, 2)
    ('0.6045', '1.235e+05', '0.00')
    """
    text = f"{value:.4g}" if decimals is None else f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−", 1) if value < 0 else text


def mean_and_sd(mean, sd, n):
    """Write mean ± sd (n): the deviation with two significant digits, the mean with as many decimals.

    >>> mean_and_sd(0.604486, 0.008732, 5), mean_and_sd(1523.4, 87.2, 5), mean_and_sd(0.5, 0.0, 3)
    ('0.6045 ± 0.0087 (5)', '1523 ± 87 (5)', '0.5 ± 0 (3)')
    """
    if not sd:
        return f"{number(mean)}{' ± 0' * (sd == 0)} ({n})"
    # Round to two digits first: 0.0999 is 0.10, with two decimals.
    decimals = 1 - math.floor(math.log10(float(f"{sd:.1e}")))
    if decimals > 8:
        return f"{number(mean)} ± {sd:.1e} ({n})"
    return f"{number(mean, max(decimals, 0))} ± {number(sd, max(decimals, 0))} ({n})"


def duration(seconds):
    """Write a duration, rounded for readers.

    >>> duration(41.7), duration(754), duration(None)
    ('40 s', '13 min', 'no runs')
    """
    if seconds is None:
        return "no runs"
    return f"{max(5, 5 * round(seconds / 5))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def claim_rows(claim, judged, old=()):
    """Give the table rows of one claim, one for each measure. `old` names the stacks with stale records.

    A row contains the id, the text (in the first row), the source's number, and for each stack our number and
    the word.
    """
    if claim.kind == "value":
        stored = " (stored output)" if claim.stored else ""
        said = [f"{_words(name)} {_printed(printed)}{stored}" for name, printed in claim.values]
    elif claim.kind == "ordering":
        said = [f"{_words(greater)} > {_words(less)}" for greater, less in claim.orderings]
    else:
        said = ["holds"]
    rows = []
    for i, source in enumerate(said):
        row = [claim.id, "" if i else claim.text, source]
        for stack in STACKS:
            found = judged.get(claim.id, {}).get(stack)
            ours, word = _ours(claim, found["rows"][i]) if found else ("no runs", marked(NOT_ENOUGH))
            row += [ours, f"{word} {STALE}" if found and stack in old else word]
        rows.append(row)
    return rows


def _ours(claim, row):
    word = marked(row.word)
    if row.word == NOT_ENOUGH:
        word = f"{judging.SIGNS[NOT_ENOUGH]} {'one seed' if row.n == 1 else f'{row.n} seeds'} so far"
    if claim.kind == "property":
        return f"worst {number(row.mean)} ({row.n})", word
    text = mean_and_sd(row.mean, row.sd, row.n)
    if claim.kind == "ordering":
        text = f"difference {text}"
        if row.elements is not None:
            text += f", least clear at {row.element + 1} of {row.elements}"
        if row.word == WITHIN_NOISE:
            word += f"; {number(float(f'{row.detectable:.2g}'))} would have shown"
    elif row.elements is not None:
        text += f", at {row.element + 1} of {row.elements}"
    return text, word + (f" ({row.alone}, were it looked at alone)" if row.alone else "")


def _printed(value):
    return f"{value[0]} … {value[-1]}" if isinstance(value, list) else str(value)


def _words(measure):
    return measure.replace("_", " ")


def _head():
    return [column for stack in STACKS for column in (f"Ours, {stack}", f"Verdict, {stack}")]


def stale_notes(records, stale, lessons):
    """Say which revision measured the lessons' stale records. `stale` is a result of `evidence.stale`."""
    lines = []
    for lesson in lessons:
        texts = {}
        for stack in STACKS:
            old = [r for r in records if (stack, lesson, r["seed"]) in stale]
            old = [r for r in old if (r["stack"], r["lesson"]) == (stack, lesson)]
            if old:
                names = dict.fromkeys(name for r in old for name in stale[stack, lesson, r["seed"]])
                texts.setdefault(evidence.before_a_change(old, list(names)), []).append(stack)
        name = f"{lesson}, " if len(lessons) > 1 else ""
        lines += [
            f"{STALE} {name}{' and '.join(stacks)} stack{'s' * (len(stacks) > 1)}: {text}."
            for text, stacks in texts.items()
        ]
    return lines


def tables(records, stale, judged, claims):
    """Give the content of verdicts.json: the lessons' tables by source and by lesson, and the times."""
    old = {key[:2] for key in stale}
    by_name = {}
    for name in dict.fromkeys(name for c in claims.claims.values() for name in (c.source, c.lesson)):
        of_name, rows = claims.of(name), []
        for claim in of_name:
            rows += claim_rows(claim, judged, [stack for stack in STACKS if (stack, claim.lesson) in old])
        asks = any(claim.is_question for claim in of_name)
        says = "What the source says" + " (q: what the course asks)" * asks
        table = by_name[name] = {"head": ["Claim", says, "Its number", *_head()], "rows": rows}
        notes = stale_notes(records, stale, list(dict.fromkeys(claim.lesson for claim in claims.of(name))))
        if notes:
            table["note"] = "\n".join(notes)
    measured = seconds(records)
    lessons = sorted({claim.lesson for claim in claims.claims.values()} | set(measured))
    return {
        "generated by": COMMAND,
        "seconds": measured,
        "stale": _packed(stale),
        "times": {
            "head": ["Lesson", *(f"Full run, {stack}" for stack in STACKS)],
            "rows": [
                [lesson, *(duration(measured.get(lesson, {}).get(stack)) for stack in STACKS)]
                for lesson in lessons
            ],
        },
        "verdicts": by_name,
    }


# --- findings in a paragraph --------------------------------------------------------------------------------


def surprising(judged, claims, most=3):
    """Rank the claims that our runs contradict, then those that our runs should have shown and did not.

    The most surprising claim is first, with the number of the measure that shows it most clearly. The order:
    contradicted on both stacks before on one; reversed before failed before not reproduced; then by p value.
    Last are the orderings within noise whose mean difference has the wrong sign on every stack. Times are
    left out, because they depend on the machine. The course's own questions are left out, because no source
    answers them.
    """
    found = []
    for position, claim in enumerate(claims.claims.values()):
        by_stack = judged.get(claim.id, {})
        if claim.timing or claim.is_question or not by_stack:
            continue
        for place, rows in enumerate(zip(*(one["rows"] for one in by_stack.values()), strict=True)):
            against = [row for row in rows if row.word in _AGAINST]
            if against:
                kind = min(_AGAINST.index(row.word) for row in against)
                p = max(row.p_holm or 0.0 for row in against)
            elif claim.kind == "ordering" and all(row.word == WITHIN_NOISE and row.mean < 0 for row in rows):
                kind, p = len(_AGAINST), max(row.p for row in rows)
            else:
                continue
            found.append(((-len(against), kind, p, position, place), claim, place))
    best = {}
    for _, claim, place in sorted(found, key=lambda entry: entry[0]):
        best.setdefault(claim.id, (claim, place))
    return list(best.values())[:most]


def findings(judged, claims, records=(), stale=()):
    """Say in a paragraph how many claims hold, and which three are the most surprising."""
    said = [claim.id for claim in claims.claims.values() if not claim.is_question]
    asked = len(claims.claims) - len(said)
    sentences = [
        f"**{len(said)} claims of {len(claims.sources)} sources, measured on two software stacks.**"
        if judged
        else f"**{len(said)} claims of {len(claims.sources)} sources.**",
        *([f"Beside them stand {asked} questions of the course's own."] if asked else []),
    ]
    if not judged:
        return " ".join([*sentences, "None has been measured with the present code yet."])
    for stack in STACKS:
        found = [judged.get(claim, {}).get(stack, {}) for claim in said]
        words = Counter(one.get("word", NOT_ENOUGH) for one in found)
        listed = [f"{words[word]} {marked(word)}" for word in _WORDS if words[word]]
        numbers = sorted({len(one["seeds"]) for one in found if one}) or ["no"]
        seeds = " to ".join(str(number) for number in dict.fromkeys((numbers[0], numbers[-1])))
        unit = "seed" if seeds == "1" else "seeds"
        sentences.append(f"On the {stack} stack ({seeds} {unit}): {', '.join(listed)}.")
    if stale:
        some = f"{len(stale)} of the" if len(stale) < len(records) else "All"
        sentences.append(
            f"{some} {len(records)} runs are older than the last change of their code; their verdicts are "
            f"marked {STALE}."
        )
    fell = surprising(judged, claims)
    if not fell:
        return " ".join(sentences)
    sentences.append("The most surprising:" if len(fell) < 3 else "The three most surprising:")
    return "\n".join([" ".join(sentences), "", *(f"- {_sentence(*one, judged)}" for one in fell)])


def _sentence(claim, place, judged):
    row = claim_rows(claim, judged)[place]
    ours = dict(zip(STACKS, row[3::2], strict=True))
    rows = {stack: found["rows"][place] for stack, found in judged[claim.id].items()}
    words = {stack: marked(rows[stack].word if stack in rows else NOT_ENOUGH) for stack in STACKS}
    if len(set(words.values())) == 1:
        measured = "; ".join(f"{stack}: {ours[stack]}" for stack in STACKS)
        text = f"{words[STACKS[0]]} on both stacks ({measured})"
    else:
        text = "; ".join(f"{words[stack]} on the {stack} stack ({ours[stack]})" for stack in STACKS)
    return f"**{claim.id}** {escape(f'“{claim.text}” {row[2]}: {text}.')}"


def course_time(measured):
    """Give the time of the whole course in full mode: the sum of the lessons' median times.

    >>> course_time({"01_a": {"keras3": 3600.0}, "02_b": {"keras3": 1800.0}})
    'All 2 lessons in full mode, one seed, on one CPU core: 1 h 30 min on the keras3 stack.'
    """
    times = [
        f"{_hours(sum(times[stack] for times in measured.values()))} on the {stack} stack"
        for stack in STACKS
        if measured and all(stack in times for times in measured.values())
    ]
    if not times:
        return "The whole course has not been run in full mode yet."
    return f"All {len(measured)} lessons in full mode, one seed, on one CPU core: {' and '.join(times)}."


def _hours(seconds):
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def readme_with(text, blocks):
    """Insert blocks into a README, each between its marks, ``<!-- name -->`` and ``<!-- /name -->``."""
    for name, block in blocks.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if not (start in text and end in text.partition(start)[2]):
            raise CourseError(
                f"README.md should have the marks {start} and {end}, because `report` writes between them"
            )
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n{block}\n{end}{rest.partition(end)[2]}"
    return text


# --- RESULTS.md ---------------------------------------------------------------------------------------------


def results_page(records, repeats, stale, judged, claims):
    """Write RESULTS.md: the findings, how to repeat them, and where they were measured."""
    lines = [
        f"<!-- Generated by `{COMMAND}` from results/ and claims.toml. Do not edit: run it again. -->",
        "# Results",
        "",
        findings(judged, claims, records, stale),
        "",
        f"![Every printed number against the interval of our runs]({PICTURE})",
        "",
        "## How to read the verdicts",
        "",
        _HOW_TO_READ,
    ]
    old = {key[:2] for key in stale}
    for source in claims.sources.values():
        lines += ["", f"## {source.id}: {escape(source.title)}", "", _citation(source)]
        for lesson in dict.fromkeys(claim.lesson for claim in claims.of(source.id)):
            mine = [claim for claim in claims.of(lesson) if claim.source == source.id]
            seeds = {seed for c in mine for found in judged.get(c.id, {}).values() for seed in found["seeds"]}
            command = evidence.command("reproduce", lesson, sorted(seeds) or (42, 43, 44))
            lines += ["", f"Lesson [{lesson}](notebooks/{lesson}.ipynb) · `{command}`", ""]
            stacks = [stack for stack in STACKS if (stack, lesson) in old]
            for asked, head in ((False, "Claim (section)"), (True, "The course's own question (section)")):
                rows = []
                for claim in (claim for claim in mine if claim.is_question == asked):
                    for row in claim_rows(claim, judged, stacks):
                        text = f"{escape(row[1])} *({escape(claim.section)})*" if row[1] else ""
                        rows.append([f"**{row[0]}** {text}".strip(), *map(escape, row[2:])])
                lines += [*markdown([head, "Source", *_head()], rows), ""] if rows else []
            lines.pop()
            lines += [line for note in stale_notes(records, stale, [lesson]) for line in ("", escape(note))]
    lines += ["", "## The same seed twice", "", *_repeats(records, repeats)]
    lines += ["", "## Where the numbers were measured", "", course_time(seconds(records)), ""]
    return "\n".join([*lines, *_provenance(records)]) + "\n"


def _citation(source):
    who = ", ".join(str(part) for part in (source.author, source.publisher, source.year) if part)
    title = escape(source.title)
    # Some documents have no link, author or date.
    return (f"[{title}]({source.url})" if source.url else title) + f" ({who})" * bool(who)


def _repeats(records, repeats):
    firsts = {(r["stack"], r["lesson"], r["seed"]): r for r in records}
    rows = []
    for second in sorted(repeats, key=lambda r: (r["lesson"], r["stack"])):
        first = firsts.get((second["stack"], second["lesson"], second["seed"]))
        # Runs with other code, versions or processors may have other numbers.
        if first and evidence.same_code(first, second) and evidence.comparable(first, second):
            differs = evidence.listed(evidence.differing(first, second))
            row = [second["lesson"], second["stack"], str(second["seed"]), second["cpu"]]
            rows.append(
                [*row, str(len(first["measurements"])), f"all the same{' but ' * bool(differs)}{differs}"]
            )
    if not rows:
        return ["No run has been repeated yet."]
    text = (
        "On the same stack and processor the same seed should give the same measurements to the last bit, "
        "wall-clock times apart. Each of these was run twice: `python -m build_tools repeat`."
    )
    head = ["Lesson", "Stack", "Seed", "Processor", "Claims", "Measurements of the second run"]
    return [text, "", *markdown(head, [list(map(escape, row)) for row in rows])]


def _provenance(records):
    groups = {}
    for record in records:
        groups.setdefault((record["lesson"], record["stack"]), []).append(record)
    if not groups:
        return ["No runs yet."]
    rows = []
    for (lesson, stack), runs in sorted(groups.items()):
        times = [run["seconds"] for run in runs]
        row = [lesson, stack, ", ".join(str(run["seed"]) for run in runs)]
        row += [f"{median(times):.0f} ({min(times):.0f}–{max(times):.0f})"]
        row += [_distinct(", ".join(run["data"]) for run in runs), _distinct(run["cpu"] for run in runs)]
        rows.append([*row, _distinct(run["revision"][:7] for run in runs)])
    head = ["Lesson", "Stack", "Seeds", "Seconds: median (range)", "Real data", "Processor", "Revision"]
    lines = markdown(head, [list(map(escape, row)) for row in rows])
    for stack in STACKS:
        runs = [record for record in records if record["stack"] == stack]
        if runs:
            about = [_distinct(_pairs(run[name]) for run in runs) for name in ("versions", "threads")]
            lines += ["", escape(f"{stack} stack: {about[0]}. Threads: {about[1]}.")]
    return lines


def _pairs(table):
    return ", ".join(f"{key} {value}" for key, value in sorted(table.items()))


def _distinct(texts):
    return " / ".join(dict.fromkeys(text or "none" for text in texts))


# --- what the report writes ---------------------------------------------------------------------------------


def verdicts_path(root):
    """Give the path of the package's file with the lessons' tables."""
    return (
        ledger_folder() if os.environ.get("COURSE_LEDGER") else Path(root, "course_utils")
    ) / "verdicts.json"


def read_verdicts(root):
    """Read verdicts.json; it is empty if there is no file. A CourseError says what is wrong with it."""
    path = verdicts_path(root)
    try:
        content = schemas.parse_json(path.read_text(encoding="utf-8"))
        problem = schemas.complaint(content, schemas.VERDICTS)
    except FileNotFoundError:
        return {"seconds": {}, "stale": [], "times": {"head": [], "rows": []}, "verdicts": {}}
    except (OSError, UnicodeDecodeError, CourseError) as error:
        problem = getattr(error, "strerror", None) or str(error)
    if problem:
        raise CourseError(f"{shown(path)} cannot be used: {problem}; delete it, and run {COMMAND}")
    return content


def _packed(stale):
    """Convert the stale records to the form of verdicts.json: seeds with the same reason together."""
    groups = {}
    for (stack, lesson, seed), names in sorted(stale.items()):
        groups.setdefault((stack, lesson, tuple(names)), []).append(seed)
    return [
        {"stack": stack, "lesson": lesson, "seeds": seeds, "changed": list(names)}
        for (stack, lesson, names), seeds in groups.items()
    ]


def _unpacked(groups):
    return {
        (group["stack"], group["lesson"], seed): group["changed"]
        for group in groups
        for seed in group["seeds"]
    }


def pending(root=None, stale=None):
    """Give what the report would write: path → text or bytes, for the files that differ.

    `stale` is the present result of `evidence.stale`, or another one to use instead. A CourseError names
    every results file that cannot be used. Then nothing is written.
    """
    root = Path(root) if root else repository()
    records, repeats, problems = evidence.read_records(root)
    if problems:
        raise CourseError("\n  ".join(["the report needs valid results, and these are not:", *problems]))
    stale = evidence.stale(records, root) if stale is None else stale
    claims = load_claims()
    judged = judge(records, claims)
    content = tables(records, stale, judged, claims)
    files = {
        verdicts_path(root): to_json(content),
        root / "RESULTS.md": results_page(records, repeats, stale, judged, claims),
    }
    readme = root / "README.md"
    if readme.exists():
        blocks = {
            "findings": findings(judged, claims, records, stale),
            "time": course_time(content["seconds"]),
        }
        files[readme] = readme_with(readme.read_text(encoding="utf-8"), blocks)
    files = {path: text for path, text in files.items() if not _holds(path, text)}
    from build_tools import notebooks  # which imports this module

    files |= notebooks.pending_tables(root, content)
    # Pixels depend on Matplotlib's version, so a picture is identified by a digest of its content.
    if figure.drawn_from(root / PICTURE) != figure.digest(judged, claims):
        files[root / PICTURE] = figure.draw(judged, claims)
    return files


def _holds(path, text):
    try:
        return path.read_bytes() == text.encode()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise CourseError(f"{shown(path)} cannot be read ({error.strerror}); delete it") from None


def out_of_step(root=None):
    """List the files that do not agree with results/ and claims.toml.

    Records that became stale after the last report do not count: a change of the code never waits for a
    report.
    """
    root = Path(root) if root else repository()
    records = evidence.read_records(root)[0]
    here = {(record["stack"], record["lesson"], record["seed"]) for record in records}
    stale = _unpacked(read_verdicts(root)["stale"])
    return [shown(path) for path in pending(root, {key: stale[key] for key in stale if key in here})]


def report(root=None):
    """Write all files that are made from results/, and list those that changed."""
    files = pending(root)
    for path, content in files.items():
        (write_bytes if isinstance(content, bytes) else write_text)(path, content)
    return [shown(path) for path in files]


def stale_records(root=None):
    """List what has to be measured again, and why; see `build_tools.evidence.stale_records`."""
    return evidence.stale_records(root)


def release_problems(root=None):
    """Say why a release is not possible: results or outputs that are stale, missing, or not reported."""
    root = Path(root) if root else repository()
    found = stale_records(root) + evidence.claim_problems(root)
    records, repeats, problems = evidence.read_records(root)
    for lesson in sorted({claim.lesson for claim in load_claims().claims.values()}):
        for stack in STACKS:
            seeds, twice = (
                [r["seed"] for r in runs if (r["stack"], r["lesson"]) == (stack, lesson)]
                for runs in (records, repeats)
            )
            if len(seeds) < judging.FEWEST_SEEDS:
                found.append(
                    f"{lesson}, {stack} stack: {len(seeds)} seeds, but {judging.FEWEST_SEEDS} are needed"
                )
            elif not twice:
                again = evidence.command("repeat", lesson)
                found.append(f"{lesson}, {stack} stack: no seed was run twice. {again}")
    if not problems:
        found += [f"{shown(path)} is out of date: {COMMAND}" for path in pending(root)]
    return found + _stale_outputs(root)


def _stale_outputs(root):
    """List the notebooks whose outputs are not of the code that they show."""
    from build_tools import notebooks  # which imports this module

    found = []
    for due in notebooks.plan(root=root):
        if due.stale:
            path = notebooks.notebook_path(root / "notebooks", due.lesson.name, due.edition)
            command = f"python -m build_tools build --run {due.lesson.name[:2]}"
            found.append(f"{shown(path)} shows outputs from before a change: {command}")
    return found
