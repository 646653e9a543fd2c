"""A Markdown document as a browser would show it: titles, list items and tables in plain text."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from markdown_it import MarkdownIt

OURS = frozenset({"h1", "h2", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"})


@dataclass
class Page(HTMLParser):
    """What the rendered document holds. A tag that the report itself never makes is an error."""

    titles: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    _into: list[str] | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in OURS or attrs:
            self.strange.append(f"{tag} {attrs}")
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        found = {"h1": self.titles, "h2": self.titles, "li": self.items}.get(tag)
        if tag in ("td", "th"):
            found = self.tables[-1][-1]
        if found is not None:
            found.append("")
            self._into = found

    def handle_endtag(self, tag: str) -> None:
        if tag in ("h1", "h2", "li", "td", "th"):
            self._into = None

    def handle_data(self, data: str) -> None:
        if self._into:
            self._into[-1] += data


def rendered(document: str) -> Page:
    """The page, rendered as CommonMark with tables and with HTML let through, as a forge does it."""
    page = Page()
    page.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(document))
    return page
