"""The provider `file`: credentials listed by hand in a TOML or CSV file. `import` reads with the same parser."""

from keywatch_file.provider import FileProvider, FileSettings
from keywatch_file.table import LARGEST_BYTES, Row, TableError, rows

__all__ = ["LARGEST_BYTES", "FileProvider", "FileSettings", "Row", "TableError", "rows"]
