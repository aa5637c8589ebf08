"""What was found, in a paragraph: how many claims stand, which fell most clearly, and what a run costs."""

from collections import Counter

from build_tools import judging as verdict
from build_tools import table
from build_tools.claims import load_claims
from course_utils.stack import STACKS

WORDS = (
    verdict.REPRODUCED,
    verdict.HOLDS,
    verdict.WITHIN_NOISE,
    verdict.NOT_REPRODUCED,
    verdict.REVERSED,
    verdict.FAILS,
    verdict.NOT_ENOUGH,
)
# Words that contradict the source, the most surprising first: a winner that loses, a rule that is broken, a
# number that does not come out.
AGAINST = (verdict.REVERSED, verdict.FAILS, verdict.NOT_REPRODUCED)


def word(summary, claim, stack):
    """Give the verdict on a claim.

    Parameters
    ----------
    summary : dict
        As from `build_tools.report.summarize`.
    claim : str
        Its id.
    stack : {"addons", "keras3"}

    Returns
    -------
    str
        One of ``WORDS``.

    Examples
    --------
    >>> word({"claims": {}}, "S1.c1", "keras3")
    'not enough runs'
    """
    return summary["claims"].get(claim, {}).get(stack, {}).get("verdict", verdict.NOT_ENOUGH)


def counts(summary, claims=None):
    """Count the verdicts of each stack.

    Parameters
    ----------
    summary : dict
    claims : Claims, optional

    Returns
    -------
    dict of str to collections.Counter
        Stack to how many claims have each word.

    Examples
    --------
    >>> counts({"claims": {}})["keras3"]["not enough runs"] == len(load_claims().claims)
    True
    """
    claims = claims or load_claims()
    return {stack: Counter(word(summary, claim, stack) for claim in claims.claims) for stack in STACKS}


def surprising(summary, claims=None, most=3):
    """Rank the claims that our runs contradict, and after them those that they should have shown and did not.

    Parameters
    ----------
    summary : dict
    claims : Claims, optional
    most : int, default=3

    Returns
    -------
    list of (Claim, int)
        The most surprising first, with the number of the measure that says so most clearly: what both stacks
        contradict before what one does; reversed before failed before not reproduced; then by the p value.
        Last the orderings within noise whose mean difference lies on the other side on every stack: the loser
        was ahead, if not clearly. Times are left out, for they tell of the machine.

    Examples
    --------
    >>> surprising({"claims": {}})
    []
    """
    claims = claims or load_claims()
    found = []
    for position, claim in enumerate(claims.claims.values()):
        by_stack = summary["claims"].get(claim.id, {})
        if claim.timing or not by_stack:
            continue
        rows = zip(*(judged["rows"] for judged in by_stack.values()), strict=True)
        for number, of_stacks in enumerate(rows):
            against = [row for row in of_stacks if row["word"] in AGAINST]
            if against:
                kind = min(AGAINST.index(row["word"]) for row in against)
                p = max(row["p_holm"] or 0.0 for row in against)
            elif claim.kind == "ordering" and all(_other_side(row) for row in of_stacks):
                kind = len(AGAINST)
                p = max(row["p"] for row in of_stacks)
            else:
                continue
            found.append(((-len(against), kind, p, position, number), claim, number))
    found.sort(key=lambda entry: entry[0])
    # Of each claim the measure that speaks most clearly.
    ranked = {claim.id: (claim, number) for _, claim, number in reversed(found)}
    order = dict.fromkeys(claim.id for _, claim, _ in found)
    return [ranked[claim] for claim in order][:most]


def _other_side(row):
    return row["word"] == verdict.WITHIN_NOISE and row["mean"] < 0


def paragraph(summary, claims=None):
    """Say how many claims stand, and which three are the most surprising.

    Parameters
    ----------
    summary : dict
    claims : Claims, optional

    Returns
    -------
    str
        Markdown: a paragraph, and a list where something was contradicted.

    Examples
    --------
    >>> paragraph({"claims": {}}).startswith("**52 claims of 5 sources")
    True
    """
    claims = claims or load_claims()
    counted = counts(summary, claims)
    sentences = [
        f"**{len(claims.claims)} claims of {len(claims.sources)} sources, measured on two software stacks.**"
    ]
    for stack in STACKS:
        listed = [f"{counted[stack][one]} {table.marked(one)}" for one in WORDS if counted[stack][one]]
        sentences.append(f"On the {stack} stack ({_seeds(summary, stack)}): {', '.join(listed)}.")
    fell = surprising(summary, claims)
    if not fell:
        return " ".join(sentences)
    sentences.append("The most surprising:" if len(fell) < 3 else "The three most surprising:")
    return "\n".join([" ".join(sentences), "", *(f"- {_sentence(*one, summary)}" for one in fell)])


def _seeds(summary, stack):
    numbers = sorted({len(found[stack]["seeds"]) for found in summary["claims"].values() if stack in found})
    if not numbers:
        return "no runs"
    return f"{numbers[0]} seeds" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]} seeds"


def _sentence(claim, number, summary):
    row = table.claim_rows(claim, summary)[number]
    words = {stack: found["rows"][number]["word"] for stack, found in summary["claims"][claim.id].items()}
    found = [(stack, table.marked(words.get(stack, verdict.NOT_ENOUGH))) for stack in STACKS]
    ours = dict(zip(STACKS, row[3::2], strict=True))
    if len({judged for _, judged in found}) == 1:
        measured = "; ".join(f"{stack}: {ours[stack]}" for stack in STACKS)
        text = f"{found[0][1]} on both stacks ({measured})"
    else:
        text = "; ".join(f"{judged} on the {stack} stack ({ours[stack]})" for stack, judged in found)
    return f"**{claim.id}** {table.escape(f'“{claim.text}” {row[2]}: {text}.')}"


def course_time(summary):
    """Say how long the whole course takes in full mode.

    Parameters
    ----------
    summary : dict

    Returns
    -------
    str
        A sentence of the sum over lessons of their median times, one for each stack with all lessons.

    Examples
    --------
    >>> course_time({"seconds": {"01_a": {"keras3": 3600.0}, "02_b": {"keras3": 1800.0}}})
    'All 2 lessons in full mode, one seed, on one CPU core: 1 h 30 min on the keras3 stack.'
    """
    seconds = summary["seconds"]
    times = [
        f"{_hours(sum(times[stack] for times in seconds.values()))} on the {stack} stack"
        for stack in STACKS
        if seconds and all(stack in times for times in seconds.values())
    ]
    if not times:
        return "The whole course has not been run in full mode yet."
    return f"All {len(seconds)} lessons in full mode, one seed, on one CPU core: {' and '.join(times)}."


def _hours(seconds):
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
