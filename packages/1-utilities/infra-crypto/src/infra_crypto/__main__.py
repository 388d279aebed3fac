"""`python -m infra_crypto` is `infra-crypto`."""

import sys

from infra_crypto.cli import main

if __name__ == "__main__":
    sys.exit(main())
