"""Sessions ask once in a process what a built-in type is; a type of the database's own is asked each time."""

from __future__ import annotations

import pytest

from storage.postgres.database import Database
from storage.postgres.sessions import Sessions


async def statements_for(dsn: str, question: str) -> list[str]:
    """What a new session sends for a question."""
    connection = await Sessions(dsn, 10).connect()
    sent: list[str] = []
    try:
        with connection.query_logger(lambda query: sent.append(query.query)):
            await connection.fetchval(question)
    finally:
        await connection.close()
    return sent


@pytest.mark.parametrize("array", ["bigint[]", "text[]", "smallint[]", "boolean[]", "bytea[]"])
async def test_second_session_knows_a_built_in_array_type(postgres_dsn: str, array: str) -> None:
    question = f"SELECT '{{}}'::{array}"
    await statements_for(postgres_dsn, question)
    assert await statements_for(postgres_dsn, question) == [question]


@pytest.mark.new_sessions
async def test_type_of_the_database_is_asked_in_each_session(database: Database, postgres_dsn: str) -> None:
    async with database.reading() as connection:
        await connection.execute("CREATE TYPE pair AS (a int, b text)")
    question = "SELECT (1, 'x')::pair"
    for _ in range(2):
        assert len(await statements_for(postgres_dsn, question)) > 1, "the session did not ask what the type is"
