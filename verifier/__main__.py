"""`python -m verifier`, and the start of `dominoes-verify.pyz`."""

import sys

from verifier.command import main

sys.exit(main())
