"""A command goes out as redis-py would send it."""

from hypothesis import given
from hypothesis import strategies as st
from redis.connection import Connection

from lending.adapters.redis_connection import packed

arguments = st.one_of(st.binary(), st.text(st.characters(exclude_categories=["Cs"])), st.integers())


@given(st.lists(arguments))
def test_a_command_is_packed_as_redis_py_packs_it(given_arguments: list[bytes | str | int]) -> None:
    command = ("EVAL", *given_arguments)

    assert packed([command, command]) == b"".join(Connection().pack_commands([command, command]))
