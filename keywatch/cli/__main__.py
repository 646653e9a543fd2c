"""`python -m keywatch.cli`."""

from keywatch.cli import main

main()
