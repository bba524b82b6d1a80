"""What the product refuses, as problems of the API."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist
from django.http import Http404

from finops.api.problems import Conflict, InvalidBody, Problem
from integrations.errors import Refusal


@contextmanager
def refusals(fields: Container[str] = ()) -> Iterator[None]:
    """A value of the body is to blame where a refusal names one of `fields`; else the state of things is.

    What is deleted for good meanwhile is not there any more.
    """
    try:
        yield
    except Refusal as refusal:
        if refusal.field and refusal.field in fields:
            raise InvalidBody([(refusal.field, str(refusal))]) from None
        raise Conflict(str(refusal)) from None
    except ObjectDoesNotExist:
        raise Http404 from None


def form_refused(form: forms.Form) -> Problem:
    """What is wrong with a form that is not valid, whose fields are called as those of the body."""
    problems = [(name, str(sentence)) for name, told in form.errors.items() for sentence in told]
    fields = [(name, sentence) for name, sentence in problems if name != NON_FIELD_ERRORS]
    return InvalidBody(fields) if fields else Conflict(" ".join(sentence for _, sentence in problems))
