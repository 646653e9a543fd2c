"""Makes text that comes from outside fit to be stored, printed and mailed.

Names, labels and error texts of a source are untrusted: whoever may write a secret's metadata may put line breaks,
terminal escapes, direction marks or even a secret value into them. HTML is left as it is; escaping it is for those who
make HTML.
"""

import re
import unicodedata

LIMIT = 256
"""Characters; what is longer is cut."""

_SECRET = re.compile(
    r"""
    -----BEGIN\ [A-Z0-9 ]*PRIVATE\ KEY | -----BEGIN\ [A-Z]        # PEM of any kind: no label needs one
  | \b hv[sbr]\.[A-Za-z0-9_-]{8,} | \b [sbr]\.[A-Za-z0-9]{24,}    # Vault and OpenBao tokens
  | \b (?:AKIA|ASIA)[A-Z0-9]{12,}                                 # AWS access keys
  | \b eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}                    # JSON web tokens
  | \b gh[pousr]_[A-Za-z0-9]{20,} | \b github_pat_\w{20,}         # GitHub
  | \b glpat-[\w-]{16,} | \b xox[abeoprs]-[\w-]{10,}              # GitLab, Slack
  | \b [sr]k_(?:live|test)_\w{10,} | \b AIza[\w-]{30,}            # Stripe, Google
  | ://[^/\s:@]*:[^/\s@]+@                                        # a password inside a URL
    """,
    re.VERBOSE,
)
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def clean(text: str, limit: int = LIMIT) -> str:
    """One line without control, format or surrogate characters, at most `limit` characters long."""
    spaced = "".join(" " if c.isspace() else c for c in text[: limit * 8])
    kept = "".join(c for c in spaced if unicodedata.category(c) not in _DROPPED)
    return " ".join(kept.split())[:limit].rstrip()


def secret_looking(text: str) -> bool:
    """Whether the text has the shape of a known kind of token or key, also when it is broken up by invisible marks."""
    return bool(_SECRET.search(text) or _SECRET.search(clean(text, len(text) + 1)))
