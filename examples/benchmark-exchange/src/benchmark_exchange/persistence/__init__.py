"""The repositories, over infra-db: the same code on SQLite and on the servers."""
