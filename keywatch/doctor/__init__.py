"""Everything that would keep keywatch from doing its work, said before it matters. It changes nothing."""

from keywatch.doctor.examining import examine
from keywatch.doctor.people import gaps
from keywatch.doctor.values import Check, Mark, Patient, payload, text

__all__ = ["Check", "Mark", "Patient", "examine", "gaps", "payload", "text"]
