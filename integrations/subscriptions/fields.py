"""Fields of the forms of subscriptions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms

from integrations.editing.forms import DayField, DayInput
from integrations.subscriptions.lines import OWNER_TAG

MOST_TAGS, LONGEST_TAG = 20, 100
#: Categories of characters: control characters, halves of a surrogate pair, separators of lines and paragraphs.
NEVER_IN_A_LINE = ("Cc", "Cs", "Zl", "Zp")


class AnyDayField(DayField):
    """A UTC day, or none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)
        self.widget = DayInput()


class TagsField(forms.CharField):
    """Lines of key=value, or a mapping of them; the value is a dict."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def clean(self, value: Any) -> dict[str, str]:
        tags: dict[str, str] = {}
        for key, tag in self._pairs(value):
            if len(key) > LONGEST_TAG or len(tag) > LONGEST_TAG:
                raise forms.ValidationError(f"A key or a value has at most {LONGEST_TAG} characters.")
            if key == OWNER_TAG:
                raise forms.ValidationError("The tag “owner” is made of the owner: fill that in instead.")
            if key in tags:
                raise forms.ValidationError(f"The tag “{key}” is there twice.")
            tags[key] = tag
        if len(tags) > MOST_TAGS:
            raise forms.ValidationError(f"At most {MOST_TAGS} tags.")
        return tags

    def _pairs(self, value: Any) -> Iterator[tuple[str, str]]:
        if isinstance(value, Mapping):
            for key, tag in value.items():
                if any(unicodedata.category(char) in NEVER_IN_A_LINE for char in f"{key}{tag}") or "=" in key:
                    raise forms.ValidationError("A tag is one line of text, and its key has no equals sign.")
            lines = [f"{key}={tag}" for key, tag in value.items()]
        else:
            lines = [line for line in super().clean(value).splitlines() if line.strip()]
        for line in lines:
            key, equals, tag = (part.strip() for part in line.partition("="))
            if not (key and equals and tag):
                raise forms.ValidationError(
                    f"“{line.strip()[:80]}” is not a tag: write key=value, one a line."
                )
            yield key, tag

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(f"{key}={tag}" for key, tag in value.items()) if isinstance(value, dict) else value


class SeatsOfField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Any) -> str:
        return str(obj.name)
