"""One task for each class with fields and for each type that travels by reference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict, TypeVar

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic

from hardpoint.core import Directory, File, Pickled, task, workflow

T = TypeVar("T")


@dataclass(frozen=True)
class Size:
    width: float
    unit: str = "m"


class Tag(msgspec.Struct):
    name: str
    weight: float = 1.0


class Options(TypedDict):
    deep: bool
    depth: NotRequired[int]


class User(pydantic.BaseModel):
    name: str
    size: Size


class Model:
    def __init__(self, slope: float) -> None:
        self.slope = slope


def given(value: T, cls: type) -> T:
    assert type(value) is cls, f"{type(value)} is not {cls}"
    return value


@task
def a_dataclass(value: Size) -> Size:
    return replace(given(value, Size), width=value.width + 1)


@task
def a_struct(value: Tag) -> Tag:
    return Tag(given(value, Tag).name.upper(), value.weight / 4)


@task
def a_typed_dict(value: Options) -> Options:
    return {"deep": not value["deep"], "depth": value.get("depth", 0) + 1}


@task
def a_model(value: User) -> User:
    return User(name=given(value, User).name.title(), size=given(value.size, Size))


@task
def an_array(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return given(value, np.ndarray) * 2


@task
def a_frame(value: pd.DataFrame) -> pd.DataFrame:
    return given(value, pd.DataFrame).assign(c=value["a"] * 10)


@task
def a_table(value: pa.Table) -> pa.Table:
    return given(value, pa.Table).slice(1)


@task
def a_polars(value: pl.DataFrame) -> pl.DataFrame:
    return given(value, pl.DataFrame).reverse()


@task
def a_file(value: File) -> File:
    Path("copy.txt").write_text(Path(given(value, File)).read_text().upper())
    return File("copy.txt")


@task
def a_folder(value: Directory) -> Directory:
    out = Path("out")
    (out / "below").mkdir(parents=True)
    for each in Path(given(value, Directory)).iterdir():
        (out / "below" / each.name).write_text(each.read_text() + "!")
    return Directory(out)


@task
def fit(slope: float) -> Pickled[Model]:
    return Model(slope)


@task
def predict(model: Pickled[Model], x: float) -> float:
    return given(model, Model).slope * x


@task
def odd_dict() -> Pickled[dict[Any, Any]]:
    return {frozenset({1}): (2, 3)}


@task
def turned_dict(value: Pickled[dict[Any, Any]]) -> Pickled[dict[Any, Any]]:
    return {each: key for key, each in value.items()}


class Rich(NamedTuple):
    a_dataclass: Size
    a_struct: Tag
    a_typed_dict: Options
    a_model: User
    an_array: np.ndarray[Any, Any]
    a_frame: pd.DataFrame
    a_frame_of_csv: pd.DataFrame
    a_table: pa.Table
    a_polars: pl.DataFrame
    a_file: File
    a_folder: Directory
    a_pickle: Pickled[dict[Any, Any]]
    a_prediction: float


@workflow
def rich(
    size: Size,
    tag: Tag,
    options: Options,
    user: User,
    array: np.ndarray[Any, Any],
    frame: pd.DataFrame,
    csv: pd.DataFrame,
    table: pa.Table,
    polars: pl.DataFrame,
    file: File,
    folder: Directory,
) -> Rich:
    return Rich(
        a_dataclass=a_dataclass(size),
        a_struct=a_struct(tag),
        a_typed_dict=a_typed_dict(options),
        a_model=a_model(user),
        an_array=an_array(array),
        a_frame=a_frame(frame),
        a_frame_of_csv=a_frame(csv),
        a_table=a_table(table),
        a_polars=a_polars(polars),
        a_file=a_file(file),
        a_folder=a_folder(folder),
        a_pickle=turned_dict(odd_dict()),
        a_prediction=predict(fit(1.5), 4.0),
    )


@workflow
def from_library_to_library(polars: pl.DataFrame) -> pd.DataFrame:
    return a_frame(a_table(a_polars(polars)))
