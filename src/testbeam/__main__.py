"""`python -m testbeam` is `testbeam`."""

from testbeam.cli.main import main

main()
