"""MovieLens-100k, read out of the recbole wheel at test time; its terms forbid redistribution, so nothing of it is ever committed.

943 people (age, sex, occupation, postcode), 100,000 ratings of 1,682 films.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import numpy as np

WHEEL = "recbole==1.2.1"
FOLDER = "recbole/dataset_example/ml-100k"
SLATE = 10
LIKED = 4.0

SCHEMA = """
create table person (user_ref text primary key, age integer not null, sex text not null, occupation text not null, postcode text not null);
create table film (item_id text primary key, release_year integer, genres text not null);
create table rating (rating_no integer primary key, user_ref text not null, item_id text not null, rating integer not null, rated_at timestamptz not null);
create view interaction as select r.rating_no, r.user_ref, r.item_id, r.rating, r.rated_at, f.release_year, f.genres from rating r join film f using (item_id);
create role club_reader login password 'example-club-reader';
grant select on person, interaction to club_reader;
"""


def wheel(cache: Path) -> Path:
    """Return the wheel, downloaded once into `cache`."""
    found = sorted(cache.glob("recbole-*.whl"))
    if not found:
        cache.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(cache), WHEEL]
        subprocess.run(words, check=True)
        found = sorted(cache.glob("recbole-*.whl"))
    return found[0]


def rows(archive: Path, part: str) -> Iterator[list[str]]:
    """Yield the rows of one table as texts."""
    with zipfile.ZipFile(archive) as wheel_file:
        text = wheel_file.read(f"{FOLDER}/ml-100k.{part}").decode("utf-8", "replace")
    return (line.split("\t") for line in text.splitlines()[1:] if line)


async def load(connection: asyncpg.Connection, archive: Path) -> None:
    """Fill a heritage database as its owner would have left it."""
    await connection.execute(SCHEMA)
    people = [(u, int(age), sex, job, postcode) for u, age, sex, job, postcode in rows(archive, "user")]
    await connection.copy_records_to_table("person", records=people)
    films = [(i, int(year) if year.isdigit() else None, kinds) for i, _, year, kinds in rows(archive, "item")]
    await connection.copy_records_to_table("film", records=films)
    ratings = [
        (number, u, i, int(float(r)), datetime.fromtimestamp(float(t), UTC))
        for number, (u, i, r, t) in enumerate(rows(archive, "inter"), 1)
    ]
    await connection.copy_records_to_table("rating", records=ratings)


@dataclass(frozen=True)
class Film:
    """One offered film: what is known of it, and whether this person liked it in truth."""

    item: str
    features: dict[str, float | str]
    liked: bool


@dataclass(frozen=True)
class Offer:
    """Ten films that one person did rate."""

    subject: str
    films: tuple[Film, ...]


def film_of(record: dict[str, object]) -> Film:
    """Return the film of one published interaction record."""
    genres = [re.sub("[^A-Za-z]", "", genre) for genre in str(record["genres"]).split()]
    features: dict[str, float | str] = {genre: 1.0 / len(genres) ** 0.5 for genre in genres}
    year = record.get("releaseYear")
    features["decade"] = "unknown" if year is None else f"{str(year)[:3]}0s"
    return Film(str(record["filmId"]), features, float(str(record["rating"])) >= LIKED)


def offers(interactions: dict[str, list[dict[str, object]]], seed: int, most: int) -> list[Offer]:
    """Return offers of ten rated films each, people and films shuffled; every offered film has a known outcome, so nothing is imputed.

    People are taken in the order of their first rating, so that a seed gives the same offers under whatever ids a department knows them.
    """
    generator, made = np.random.default_rng(seed), []
    by_person = {subject: sorted(records, key=lambda record: int(str(record["record"]))) for subject, records in interactions.items()}
    for subject, records in sorted(by_person.items(), key=lambda item: int(str(item[1][0]["record"]))):
        films = [film_of(record) for record in records]
        order = generator.permutation(len(films))
        made += [Offer(subject, tuple(films[j] for j in order[at : at + SLATE])) for at in range(0, len(order) - SLATE + 1, SLATE)]
    return [made[j] for j in generator.permutation(len(made))][:most]


def uniform(made: list[Offer]) -> float:
    """The mean reward of choosing by lot."""
    return float(np.mean([film.liked for offer in made for film in offer.films]))


def best_fixed(made: list[Offer], interactions: dict[str, list[dict[str, object]]]) -> float:
    """The mean reward of the best fixed order of films, in hindsight over all ratings: knows more than any learner may."""
    tally: dict[str, list[bool]] = defaultdict(list)
    for records in interactions.values():
        for record in records:
            film = film_of(record)
            tally[film.item].append(film.liked)
    mean = {item: (sum(liked) + 2.2) / (len(liked) + 4) for item, liked in tally.items()}
    return float(np.mean([max(offer.films, key=lambda film: mean[film.item]).liked for offer in made]))


def curve(rewards: list[float], points: int = 10) -> list[float]:
    """Return the mean reward of each of `points` equal stretches."""
    return [float(np.mean(part)) for part in np.array_split(np.array(rewards), points)]
