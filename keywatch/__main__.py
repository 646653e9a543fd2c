"""`python -m keywatch`."""

from keywatch.cli import main

main()
