"""`python -m commonweal_cli`: the command `commonweal`, where it is not on PATH."""

import sys

from commonweal_cli.main import main

sys.exit(main())
