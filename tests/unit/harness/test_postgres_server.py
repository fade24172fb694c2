import psycopg
import pytest

from tests.fakes.storage.postgres import PostgresServer


def names(server: PostgresServer) -> set[str]:
    with psycopg.connect(server.url("postgres")) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


def test_the_databases_of_a_test_are_dropped_while_something_is_connected(postgres: PostgresServer) -> None:
    before = names(postgres)
    urls = [postgres.database() for _ in range(3)]
    with psycopg.connect(urls[1]) as connection:
        postgres.drop_databases()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert names(postgres) == before
