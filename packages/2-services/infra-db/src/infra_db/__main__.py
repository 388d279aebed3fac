"""`python -m infra_db` is `infra-db`."""

from infra_db.cli import main

raise SystemExit(main())
