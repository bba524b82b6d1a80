"""What is sent to connect a provider or to replace its key: checked by the provider's own form, and never repeated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist
from django.http import Http404
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from finops.api.fields import SentAmount
from finops.api.parameters import Body
from finops.api.problems import Conflict, InvalidBody, Problem
from finops.money import plain
from integrations.api.connect_schema import CURRENCY, connectable
from integrations.editing.forms import key_form
from integrations.errors import Refusal
from integrations.providers.base import COMMON_FIELDS, Provider, credential_names, secret_names

SILENT = "urn:onebill:problem:provider-silent"
#: No credential is longer.
LONGEST = 5000
#: What the body calls a field of a refusal, where it is not the same.
BODY_FIELDS = {"monthly_price": "monthly_seat_price", "other_team": "other_team_confirmed"}


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string", "maxLength": LONGEST}})
class Credentials(serializers.Field[Any, Any, Any, Any]):
    """Looked into only once it is known whose they are."""

    default_error_messages = {"invalid": "Must be an object."}

    def to_internal_value(self, data: Any) -> Mapping[str, Any]:
        if not isinstance(data, Mapping):
            self.fail("invalid")
        return data


class ProviderField(serializers.ChoiceField):
    """What can be connected. What was sent instead is not repeated."""

    def __init__(self, **options: Any) -> None:
        choices = [(slug, provider.name) for slug, provider in connectable().items()]
        known = ", ".join(slug for slug, _ in choices)
        super().__init__(
            choices=choices, error_messages={"invalid_choice": f"Choose one of: {known}."}, **options
        )


class ConnectBody(Body):
    name = serializers.CharField(max_length=100)
    provider = ProviderField()
    credentials = Credentials()
    monthly_seat_price = SentAmount(required=False, allow_null=True)
    currency = serializers.CharField(required=False, max_length=3)


class KeyBody(Body):
    credentials = Credentials(
        help_text="As `providers/<slug>/` describes them. Of files, what is left out stays as it is."
    )
    other_team_confirmed = serializers.BooleanField(
        default=False, help_text="Go on though none of the known members is in the new key's team."
    )


class ProviderSilent(Problem):
    """Nothing is wrong with what was asked: the provider did not answer, or not as agreed. No 5xx, which would say that
    something is wrong here."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            HTTPStatus.CONFLICT, detail, type=SILENT, title="The provider did not answer as it should"
        )


@sensitive_variables()
def connect_form(provider: Provider, said: Mapping[str, Any]) -> forms.Form:
    """The provider's connect form, filled in and valid. Raises InvalidBody."""
    asked = provider.form()
    problems = list(_not_taken(asked, said))
    typed = {"currency": CURRENCY, **{name: said[name] for name in ("name", "currency") if name in said}}
    if (price := said.get("monthly_seat_price")) is not None:
        typed["monthly_seat_price"] = plain(price)
    typed |= _texts(credential_names(asked), said["credentials"], problems)
    return _valid(provider.form(typed), problems)


@sensitive_variables()
def replacing_form(provider: Provider, sent: Mapping[str, Any], *, shown: Mapping[str, str]) -> forms.Form:
    """Likewise what replaces the stored credentials, of which `shown` may be left out. Raises InvalidBody."""
    problems: list[tuple[str, str]] = []
    typed = {**shown, **_texts(credential_names(provider.form), sent, problems)}
    return _valid(key_form(provider, typed, shown=shown), problems)


def _not_taken(form: forms.Form, said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What this provider has no use for; to say what holds anyway is no mistake."""
    if "monthly_seat_price" not in form.fields and said.get("monthly_seat_price") is not None:
        yield (
            "monthly_seat_price",
            "It does not tell who is in the team, so that seats have no price: leave this out.",
        )
    if "currency" not in form.fields and said.get("currency", CURRENCY) != CURRENCY:
        yield "currency", f"It bills in {CURRENCY}: leave this out."


@sensitive_variables()
def _texts(names: list[str], sent: Mapping[str, Any], problems: list[tuple[str, str]]) -> dict[str, str]:
    """The credentials that are texts. Names that nobody knows are not repeated: one of them might be the key."""
    if unknown := len(sent.keys() - set(names)):
        what = "a field" if unknown == 1 else f"{unknown} fields"
        problems.append(
            ("credentials", f"Holds {what} that it does not take; known are: {', '.join(names)}.")
        )
    checked = serializers.CharField(max_length=LONGEST, allow_blank=True, trim_whitespace=False)
    found = {}
    for name in names:
        if name not in sent:
            continue
        if not isinstance(sent[name], str):
            problems.append((f"credentials.{name}", "Must be a text."))
            continue
        try:
            found[name] = str(checked.run_validation(sent[name]))
        except serializers.ValidationError as error:
            problems += [(f"credentials.{name}", str(each)) for each in error.detail]
    return found


@sensitive_variables()
def _valid(form: forms.Form, problems: list[tuple[str, str]]) -> forms.Form:
    """Raises InvalidBody with these problems and the form's own, a field's own only where none was known before."""
    known = {name for name, _ in problems}
    for name, sentences in form.errors.items():
        path = _path(name, form)
        if path not in known:
            problems += [(path, str(sentence)) for sentence in sentences]
    if problems:
        raise InvalidBody(problems)
    return form


def _path(name: str, form: forms.Form) -> str:
    """Where a field of the form stands in the body."""
    if name == NON_FIELD_ERRORS:
        return ""
    return name if name in COMMON_FIELDS else f"credentials.{name}"


@contextmanager
def connection_refusals(form: forms.Form | None = None) -> Iterator[None]:
    """What the product refuses is a problem that names the value of the body, a conflict where none is to blame.

    What is deleted for good meanwhile is not there any more.
    """
    try:
        yield
    except Refusal as refusal:
        raise _problem(refusal, form) from None
    except ObjectDoesNotExist:
        raise Http404 from None


def _problem(refusal: Refusal, form: forms.Form | None) -> Problem:
    said, name = str(refusal), refusal.field
    if refusal.is_provider:
        return ProviderSilent(said)
    if not name:
        return Conflict(said)
    if form is not None and name == "credentials":
        return InvalidBody([(f"credentials.{each}", said) for each in secret_names(form)])
    if form is not None and name in credential_names(form):
        return InvalidBody([(f"credentials.{name}", said)])
    return InvalidBody([(BODY_FIELDS.get(name, name), said)])
