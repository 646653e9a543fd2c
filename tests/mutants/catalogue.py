"""Every planted mistake. Each was a rule that somebody could break by one edit without meaning to."""

from tests.mutants.mutant import Mutant
from tests.mutants.outbox import SENT
from tests.mutants.people import PEOPLE
from tests.mutants.reach import REACH
from tests.mutants.runs import RUN
from tests.mutants.sightings import SIGHTINGS
from tests.mutants.timing import TIMING

MUTANTS: tuple[Mutant, ...] = (*TIMING, *PEOPLE, *SIGHTINGS, *SENT, *RUN, *REACH)
