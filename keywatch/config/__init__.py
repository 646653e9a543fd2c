"""What a team wrote down: owners, people, routes, rosters, calendars, sources and policy, from keywatch.toml.

`find` says which file, `load` reads it or names everything that is wrong with it, and the `Config` knows who is who.
`build` checks a plugin's own table against its Settings; `load` leaves those alone, so that `list` imports no plugin.
"""

from keywatch.config.file import find, load
from keywatch.config.outgoing import is_reference, schema_of, url_problem
from keywatch.config.settings import build
from keywatch.config.values import (
    Assign,
    Config,
    DigestSettings,
    InboxSettings,
    MailSettings,
    RosterConfig,
    Security,
    SourceConfig,
    mail_route,
)

__all__ = [
    "Assign",
    "Config",
    "DigestSettings",
    "InboxSettings",
    "MailSettings",
    "RosterConfig",
    "Security",
    "SourceConfig",
    "build",
    "find",
    "is_reference",
    "load",
    "mail_route",
    "schema_of",
    "url_problem",
]
