"""An agreement in words, for whoever is about to sign it: everything that the hash covers and that decides what happens to data."""

from __future__ import annotations

from collections.abc import Iterator

from commonweal_api.consent_policy import ConsentPolicySpec


def in_words(provider: str, name: str, spec: ConsentPolicySpec) -> str:
    """Return the agreement as lines of plain text."""
    version = f", version {spec.product.version}" if spec.product.version is not None else ""
    rows = [
        ("who reads", f"{spec.consumer.department}, as {', '.join(spec.consumer.clients)}"),
        ("what", f"{', '.join(spec.fields)} of {spec.product.name}{version} of {provider}"),
        *(("what for", f"{p.text} ({p.key}, {p.iri})") for p in spec.purposes),
        ("basis", ", ".join(str(part) for part in (spec.basis.type, spec.basis.condition, spec.basis.legal_power) if part)),
        ("the person", "; ".join(_person(spec))),
        ("how much", "; ".join(_limits(spec))),
        ("shown", "; ".join(_shown(spec))),
        *([("linked on", f"{spec.linkage.on}, written {spec.linkage.normalise}")] if spec.linkage else []),
        *(("assured", text) for text in _assured(spec)),
        ("from", spec.validity.from_.isoformat()),
        ("until", spec.validity.until.isoformat()),
    ]
    return "\n".join([f"Agreement {provider}/{name}", *(f"  {title + ':':<11} {text}" for title, text in rows)])


def _person(spec: ConsentPolicySpec) -> Iterator[str]:
    subjects = spec.subjects
    if subjects.consent_validity_days is not None:
        yield f"is asked for consent, which holds for {subjects.consent_validity_days} days"
    yield "may object" if subjects.objection == "Honoured" else "cannot object"
    if subjects.delegation:
        yield f"may be stood in for by: {', '.join(subjects.delegation)}"


def _shown(spec: ConsentPolicySpec) -> Iterator[str]:
    shown = spec.transparency
    yield f"{shown.visibility}" + (f" by {shown.delay_days} days" if shown.delay_days else "")
    if shown.reason:
        yield shown.reason


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
