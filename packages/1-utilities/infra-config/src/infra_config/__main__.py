"""`python -m infra_config`, the same as `infra-config`."""

from __future__ import annotations

import sys

from infra_config.cli import main

if __name__ == "__main__":
    sys.exit(main())
