"""The history of one credential as the draft of an incident report: who was told what, when, by which route.

It says what happened and what is not known, and blames nobody. `words` says one fact in the words of one output,
`timeline` puts them in order, `sections` makes the head and the tables, `forms` the three outputs; `story` tells the
open episode in fewer lines.
"""

from keywatch.audit.forms import document, payload, text
from keywatch.audit.story import Story
from keywatch.audit.words import for_people, stage

__all__ = ["Story", "document", "for_people", "payload", "stage", "text"]
