"""Count the words of two texts at once, then say which is longer."""

from hardpoint.core import task, workflow


@task
def count(text: str) -> int:
    return len(text.split())


@task
def compare(first: int, second: int) -> str:
    return f"{first} words and {second} words"


@workflow
def hello(first: str = "to be or not to be", second: str = "that is the question") -> str:
    return compare(count(first), count(second))
