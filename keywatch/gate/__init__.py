"""Whether a release may go out: one question to what is known of its credentials. Want of data is never a yes."""

from keywatch.gate.judging import Answer, Facts, Finding, Question, Rule, judge, of_snapshot, of_store
from keywatch.gate.words import annotations, payload, text

__all__ = [
    "Answer",
    "Facts",
    "Finding",
    "Question",
    "Rule",
    "annotations",
    "judge",
    "of_snapshot",
    "of_store",
    "payload",
    "text",
]
