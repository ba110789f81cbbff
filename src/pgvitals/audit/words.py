"""What names of tables and columns say: who owns a row, what is about a person's health, what has to be kept.

The identifiers are those of 45 CFR 164.514(b)(2) that stand in columns, and what clinical records are made of. A name
is only a hint: whoever knows the database corrects it.
"""

from __future__ import annotations

import re

TENANTS = {
    "tenant": 1.0,
    "organization": 1.0,
    "organisation": 1.0,
    "org": 1.0,
    "workspace": 1.0,
    "practice": 0.8,
    "clinic": 0.8,
    "hospital": 0.8,
    "company": 0.8,
    "facility": 0.6,
    "account": 0.5,
    "team": 0.4,
    "customer": 0.4,
}
"""Stems of tenant columns, with how much the name alone counts."""
_TENANT = re.compile(rf"^({'|'.join(TENANTS)})_?(id|uuid|ulid|key)$")
_PERSON = re.compile(
    r"(^|_)(first|last|middle|given|family|full|maiden|legal|preferred|display|patient|client|member)_?name$|^surname$"
    r"|(^|_)(e?mail|phone|mobile|fax|telephone|cell)(_address|_number|_no)?$"
    r"|(^|_)(address|street)(_?line)?_?[0-9]?$|(^|_)(zip|postal)(_?code)?$|^postcode$|^(city|county)$"
    r"|^emergency_contact|^next_of_kin|(^|_)(photo|portrait)$"
)
_IDENTIFIER = re.compile(
    r"(^|_)(ssn|mrn|dob|nhs_number|tax_id|national_id|passport(_number)?|drivers?_licen[cs]e(_number)?)$"
    r"|social_security|medical_record_n|(insurance|policy|subscriber|beneficiary|health_plan)_(id|number|no)$"
    r"|date_of_(birth|death)|birth_?date|^birthday$|^(born|died|deceased)_(on|at)$|^(sex|gender|ethnicity|race)$"
)
_CLINICAL = re.compile(
    r"diagnos|(^|_)icd|medical_hist|allerg|medication|prescription|symptom|treatment_plan|clinical|blood_type"
    r"|immuni[sz]ation|lab_result|^(subjective|objective|assessment)$|vital_sign|relationship_to_patient|genom|biometric"
)
_FREE_TEXT = re.compile(
    r"(^|_)(notes?|comments?|reason|remarks?|summary|body|description|title|subject|message|transcript|plan|value)$"
)
_NOT_A_VALUE = re.compile(
    r"(_id|_ids|_at|_hash|_digest|_bidx|_index|_count|_type|_kind|_status|_verified|_enabled|_template|_format|_version)$"
    r"|^(is|has|can|allow)_"
)
_CARE = re.compile(
    r"patient|client|appointment|encounter|visit|session|consult|medical|clinical|document|note|consent|care|referral"
    r"|prescri|diagnos|claim|invoice|task|call|ticket|message|contact|intake|history|record|proxy|proxies|relation"
)
_PEOPLE = re.compile(
    r"patient|client|person|people|user|member|contact|prox(y|ies)|relative|guardian|beneficiar|invit|call"
)
_PLACES = re.compile(
    r"organi[sz]ation|workspace|tenant|practice|location|facilit|clinic|compan|site|provider|staff|vendor"
)
_RECORDS = re.compile(
    r"patient|client|appointment|encounter|visit|(^|_)sessions?(_|$)|medical|clinical|document|chart|consent|referral"
    r"|prescri|diagnos|treatment|note|record|intake|lab_result|observation|immuni[sz]ation"
)
_LOGIN = re.compile(r"(user|auth|login|web|http)_?sessions?")
_AUDIT = re.compile(r"(^|_)audit((s|ed)?(_|$)|log|trail|event)|(access|activity|change|event)_?(log|trail|history)s?$")
_SOFT_DELETE = re.compile(r"^(deleted|archived|removed|discarded)_(at|on)$|^is_(deleted|archived)$")
_READABLE = ("text", "character", "citext", "bytea", "json", "xml", "name", "bpchar")
_DATES = ("date", "timestamp")


def snake(name: str) -> str:
    """``dateOfBirth`` and ``Date Of Birth`` as ``date_of_birth``."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


def tenant_weight(column: str) -> float:
    """How much a column's name alone speaks for it as a tenant column, 0 to 1."""
    found = _TENANT.match(snake(column))
    return TENANTS[found[1]] if found else 0.0


def looks_like_phi(table: str, column: str, type_: str) -> bool:
    """Whether a column holds what is about a person, or about somebody's health, by names and type."""
    table, column = snake(table), snake(column)
    if _IDENTIFIER.search(column):
        return type_.startswith((*_READABLE, *_DATES))
    if _NOT_A_VALUE.search(column) or not type_.startswith(_READABLE):
        return False
    if _CLINICAL.search(column):
        return True
    of_place = _PLACES.search(table) and not _PEOPLE.search(table)
    if _PERSON.search(column):
        return not of_place or column.startswith(("first_", "last_"))
    return bool(_FREE_TEXT.search(column) and _CARE.search(table) and not _LOGIN.search(table))


def looks_like_audit(table: str) -> bool:
    """Whether a table is a trail of what was done, by its name."""
    return bool(_AUDIT.search(snake(table)))


def looks_like_record(table: str) -> bool:
    """Whether a table holds what a law wants kept for years, by its name."""
    return bool(_RECORDS.search(snake(table)) and not _LOGIN.search(snake(table)))


def is_soft_delete(column: str) -> bool:
    """Whether a column says that its row counts as deleted."""
    return bool(_SOFT_DELETE.match(snake(column)))
