"""Which classifier reads handwritten digits best? Train several at once, pick one, report on it.

hardpoint run examples/digits/flow.py digits
hardpoint run examples/digits/flow.py digits --seed 7
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hardpoint.core import Cache, File, Pickled, Resources, task, workflow
from hardpoint_notebook import NotebookTask

# scikit-learn is imported inside the tasks: then listing or compiling this file takes no time, and only the
# worker processes pay for the import.


@runtime_checkable
class Classifier(Protocol):
    """What every classifier of scikit-learn can do."""

    def fit(self, images: NDArray[np.float64], digits: NDArray[np.int64]) -> Any: ...
    def predict(self, images: NDArray[np.float64]) -> NDArray[np.int64]: ...


@dataclass(frozen=True)
class Images:
    """Images of 8 × 8 pixels, one a row, and the digit that each shows.

    The arrays travel by reference: the journal holds where they lie, not what is in them.
    """

    pixels: NDArray[np.float64]
    digits: NDArray[np.int64]


@dataclass(frozen=True)
class Candidate:
    """One way to classify; what `settings` leaves out stays at scikit-learn's default."""

    name: str
    kind: Literal["LogisticRegression", "SVC", "RandomForestClassifier", "KNeighborsClassifier"]
    settings: dict[str, int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Metrics:
    """How well one candidate did on images that it was not trained on."""

    candidate: str
    accuracy: float
    errors: int


class Split(NamedTuple):
    """A task that returns a NamedTuple has an output for each field: `split.train`, `split.test`…"""

    train: Images
    validation: Images
    test: Images


class Fitted(NamedTuple):
    """A trained model and its score. Nothing is pickled unless the hint says `Pickled`."""

    model: Pickled[Classifier]
    metrics: Metrics


class Outcome(NamedTuple):
    """What the workflow gives back."""

    accuracy: float
    best: str
    report: File


CANDIDATES = [
    Candidate("logistic", "LogisticRegression", {"C": 0.1, "max_iter": 300}),
    Candidate("support-vectors", "SVC", {"C": 10.0, "gamma": 0.001}),
    Candidate("forest", "RandomForestClassifier", {"n_estimators": 200}),
    Candidate("neighbours-3", "KNeighborsClassifier", {"n_neighbors": 3}),
    Candidate("neighbours-15", "KNeighborsClassifier", {"n_neighbors": 15}),
]


@task(cache=Cache())
def load(seed: int) -> Split:
    """Load the 1,797 digits that come with scikit-learn; 60 % to train, 20 % to choose, 20 % to test."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, digits = load_digits(return_X_y=True)
    train, rest, train_digits, rest_digits = train_test_split(
        pixels, digits, train_size=0.6, random_state=seed, stratify=digits
    )
    chosen, test, chosen_digits, test_digits = train_test_split(
        rest, rest_digits, train_size=0.5, random_state=seed, stratify=rest_digits
    )
    return Split(Images(train, train_digits), Images(chosen, chosen_digits), Images(test, test_digits))


@task(cache=Cache(), resources=Resources(cpu=1))
def fit(candidate: Candidate, train: Images, validation: Images, seed: int) -> Fitted:
    """Train one candidate, and score it on the validation images."""
    model = untrained(candidate, seed)
    model.fit(train.pixels, train.digits)
    right = model.predict(validation.pixels) == validation.digits
    return Fitted(model, Metrics(candidate.name, float(right.mean()), int((~right).sum())))


def untrained(candidate: Candidate, seed: int) -> Classifier:
    """A change in this function is a new version of `fit`, because `fit` calls it."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    settings: dict[str, Any] = dict(candidate.settings)
    model: Classifier
    match candidate.kind:
        case "LogisticRegression":
            model = make_pipeline(StandardScaler(), LogisticRegression(**settings))
        case "SVC":
            model = SVC(**settings)
        case "RandomForestClassifier":
            model = RandomForestClassifier(random_state=seed, **settings)
        case "KNeighborsClassifier":
            model = KNeighborsClassifier(**settings)
    return model


class Best(NamedTuple):
    """The candidate that was right most often."""

    name: str
    model: Pickled[Classifier]


@task(cache=Cache())
def pick(scores: list[Metrics], models: list[Pickled[Classifier]]) -> Best:
    """Choose by the validation images; of equals, the first. The test images have no say in it."""
    place = max(range(len(scores)), key=lambda index: scores[index].accuracy)
    return Best(scores[place].candidate, models[place])


@task(cache=Cache())
def predict(model: Pickled[Classifier], images: Images) -> NDArray[np.int64]:
    """What the model reads in images that nobody has used yet."""
    return model.predict(images.pixels)


# The notebook lies beside this file. Its inputs are variables in it, and `record(accuracy=…)` in one of its
# cells gives the output. `with_html` adds another output: the executed notebook as an HTML page.
report = NotebookTask(
    "report.ipynb",
    inputs={"scores": list[Metrics], "best": str, "test": Images, "predicted": NDArray[np.int64]},
    outputs={"accuracy": float},
    with_html=True,
    cell_timeout_s=60,
    cache=Cache(),
)


@workflow
def digits(seed: int = 0) -> Outcome:
    """Train five classifiers on handwritten digits, choose one, and report how it does.

    Args:
        seed: Decides which images are used for what.
    """
    # This body runs once, when the workflow is compiled: calls make nodes, and what they return are promises.
    split = load(seed)
    fitted = [
        fit.with_overrides(name=f"fit-{candidate.name}")(candidate, split.train, split.validation, seed)
        for candidate in CANDIDATES
    ]
    scores = [each.metrics for each in fitted]
    best = pick(scores, [each.model for each in fitted])
    predicted = predict(best.model, split.test)
    page = report(scores=scores, best=best.name, test=split.test, predicted=predicted)
    return Outcome(page.accuracy, best.name, page.html)
