"""`python -m learnset.cli`."""

import sys

from . import main

sys.exit(main())
