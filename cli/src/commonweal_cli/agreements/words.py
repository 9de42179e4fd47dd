"""An agreement in words, for whoever is about to sign it: everything that the hash covers and that decides what happens to data."""

from __future__ import annotations

from collections.abc import Iterator

from commonweal_api.common import shown
from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.meaning import Meaning


def in_words(provider: str, name: str, spec: ConsentPolicySpec, meaning: Meaning | None = None) -> str:
    """Return the agreement as lines of plain text, each of which is a line of ours: no text in it moves the cursor, turns or hides what is read."""
    version = f", version {spec.product.version}" if spec.product.version is not None else ""
    rows = [
        ("who reads", f"{spec.consumer.department}, as {', '.join(spec.consumer.clients)}"),
        ("what", f"{', '.join(spec.fields)} of {spec.product.name}{version} of {provider}"),
        *_meant(meaning),
        *(("what for", f"{p.text} ({p.key}, {p.iri})") for p in spec.purposes),
        ("basis", ", ".join(str(part) for part in (spec.basis.type, spec.basis.condition, spec.basis.legal_power) if part)),
        ("the person", "; ".join(_person(spec))),
        ("how much", "; ".join(_limits(spec))),
        ("shown", "; ".join(_shown(spec))),
        *([("linked on", f"{spec.linkage.on}, written {spec.linkage.normalise}")] if spec.linkage else []),
        *(("assured", text) for text in _assured(spec)),
        ("from", spec.validity.from_.isoformat()),
        ("until", spec.validity.until.isoformat()),
        ("nonce", spec.nonce or "none, as in earlier releases: what the fields mean is not signed"),
    ]
    return "\n".join([f"Agreement {shown(provider)}/{shown(name)}", *(f"  {title + ':':<11} {shown(text)}" for title, text in rows)])


def _meant(meaning: Meaning | None) -> Iterator[tuple[str, str]]:
    """Yield what each field is made from."""
    if meaning is None:
        return
    yield "read from", f"{meaning.source}, {meaning.records.lower()} a person, who is told by column {meaning.subject}"
    for each in meaning.fields:
        yield "  field", f"{each.name}: {each.words}"
    for each in meaning.behind:
        yield "  behind", f"{each.name}: {each.words}"


def _person(spec: ConsentPolicySpec) -> Iterator[str]:
    subjects = spec.subjects
    if subjects.consent_validity_days is not None:
        yield f"is asked for consent, which holds for {subjects.consent_validity_days} days"
    yield "may object" if subjects.objection == "Honoured" else "cannot object"
    if subjects.delegation:
        yield f"may be stood in for by: {', '.join(subjects.delegation)}"


def _shown(spec: ConsentPolicySpec) -> Iterator[str]:
    when = spec.transparency
    yield f"{when.visibility}" + (f" by {when.delay_days} days" if when.delay_days else "")
    if when.reason:
        yield when.reason


def _assured(spec: ConsentPolicySpec) -> Iterator[str]:
    assurance = spec.assurance
    if assurance is not None:
        yield f"{assurance.benefits} {assurance.method}"
        yield f"in {', '.join(assurance.areas)}; handled by {', '.join(assurance.processors) or 'the consumer alone'}"
        yield f"looked at again on {assurance.review.isoformat()}; {assurance.contact}" + (f"; {assurance.dpia}" if assurance.dpia else "")


def _limits(spec: ConsentPolicySpec) -> Iterator[str]:
    limits = spec.limits
    yield f"at most {limits.max_rows} records in one answer"
    if limits.requests:
        yield f"{limits.requests.max} requests in {limits.requests.seconds} s"
    if limits.per_subject:
        yield f"each person {limits.per_subject.max} times in {limits.per_subject.seconds} s"
    if limits.once:
        yield "each person once"
    if limits.data_life_days is not None:
        yield f"kept for {limits.data_life_days} days"
    yield "may be passed on" if limits.onward_sharing else "not to be passed on"
