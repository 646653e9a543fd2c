"""The installation every simulated life begins with: six people, three owners, one rotation, one file."""

from datetime import datetime
from pathlib import Path

from keywatch import schema

PEOPLE = ("ana", "bo", "cy", "dee", "li", "mia")
CONFIG = """\
[keywatch]
store = "sqlite:///keywatch.db"
timezone = "Europe/Madrid"
owner = "platform"
last_resort = ["li:mail", "mia:mail"]
environments = {{ production = ["prod"] }}

[mail]
from = "keywatch@example.com"
smtp = "smtp://127.0.0.1:9"

[policy]
questions = false

[people]
{people}

[routes.alias]
mail = "alias@example.com"
shared = true

[[source]]
name = "file"
kind = "file"
path = "credentials.toml"
every = "0"

[rosters.payments]
kind = "model"
timezone = "Europe/Madrid"
people = {rotation}
anchor = 2026-10-05

[owners.payments]
roster = "payments"
head = "mia"
members = ["ana", "bo", "cy"]
routes = ["alias"]
fallback = ["li"]
calendar = "madrid"

[owners.web]
people = ["cy"]
head = "dee"
calendar = "madrid"

[owners.platform]
people = ["li"]
head = "mia"
calendar = "madrid"

[calendars.madrid]
timezone = "Europe/Madrid"
holidays = [2026-12-25, 2027-01-06, 2027-05-01, 2027-12-08]
freezes = [{{ from = 2026-12-20, until = 2027-01-03 }}]
"""


def template(folder: Path, now: datetime) -> Path:
    """A store that was just made, to be copied: making one takes longer than a day of a life."""
    schema.create(f"sqlite:///{folder / 'template.db'}", rehearsal=False, now=now)
    return folder / "template.db"
