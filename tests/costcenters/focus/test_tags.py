"""Tags in every spelling, and what the explorer's filters cannot name."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from django.http import QueryDict
from hypothesis import given, settings
from hypothesis import strategies as st

from costcenters.catalog import Catalog
from costcenters.focus.tags import BANG, CUT, DAMAGED, LONGEST_KEY, LONGEST_VALUE, NAMELESS, NONE, TagReader
from costcenters.focus.values import Unfit
from costcenters.query_form import MOST_CHARACTERS, CostQueryForm
from costcenters.records import canonical_details


def read(text: str) -> dict[str, str]:
    found = TagReader().read(text)
    assert found == (canonical_details(json.loads(found)) if found else "")
    return json.loads(found or "{}")


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ('{"team":"web","env":"live"}', {"team": "web", "env": "live"}),
        ('{"a":1.50,"b":true,"c":null,"d":1e3}', {"a": "1.50", "b": "true", "c": "", "d": "1e3"}),
        ('{"a":{"c":1,"b":[2,null]}}', {"a": '{"b":["2",null],"c":"1"}'}),
        ('{"a":"1","a":"2"}', {"a": "2"}),
        ("{}", {}),
        ("[]", {}),
        ('"team": "web","env": "live"', {"team": "web", "env": "live"}),
        ('[{"key":"team","value":"web"},{"Key":"env","Value":null}]', {"team": "web", "env": ""}),
        ("team=web", {"team": "web"}),
        ("team=web;env=live", {"team": "web", "env": "live"}),
        ("team=web; env=live;", {"team": "web", "env": "live"}),
        ("team=web,env=live", {"team": "web", "env": "live"}),
        ("{team=web, env=live}", {"team": "web", "env": "live"}),
        ("{name=one, two, three, env=live}", {"name": "one, two, three", "env": "live"}),
        ("{url=https://a/?b=c, x=}", {"url": "https://a/?b=c", "x": ""}),
        ("aws:createdBy=me", {"aws:createdBy": "me"}),
        ('{"ключ":"значение"}', {"ключ": "значение"}),
    ],
)
def test_tags_are_read(text, tags):
    assert read(text) == tags


@pytest.mark.parametrize(
    "text", ["words", '{"a":', '["a","b"]', '[{"a":"b"}]', "{a}", '"a"', "[" * 100_000, "{a=b"]
)
def test_other_texts_are_refused_or_read_but_never_crash(text):
    with suppress(Unfit):
        read(text)


@pytest.mark.parametrize(
    ("text", "tags", "note"),
    [
        ('{"team!":"web"}', {"team": "web"}, BANG),
        ('{"!!":"web"}', {}, NAMELESS),
        ('{"":"web","a":"b"}', {"a": "b"}, NAMELESS),
        ('{"team":"(None)","a":"b"}', {"a": "b"}, NONE),
        ('{"a":"x\\u0000y"}', {"a": "x�y"}, DAMAGED),
        ('{"a":"\\ud800"}', {"a": "?"}, DAMAGED),
    ],
)
def test_what_no_filter_can_name_is_changed_and_noted(text, tags, note):
    reader = TagReader()
    assert json.loads(reader.read(text) or "{}") == tags
    assert note in reader.notes


def test_long_keys_and_values_are_cut_and_stay_different():
    reader = TagReader()
    key, value = "k" * 400, "v" * 4000
    found = json.loads(reader.read(json.dumps({key: value, f"{key}2": f"{value}2"})))
    assert len(found) == len(set(found.values())) == 2
    assert {len(key) for key in found} == {LONGEST_KEY}
    assert {len(value) for value in found.values()} == {LONGEST_VALUE}
    assert reader.notes == {CUT}


@pytest.mark.django_db
@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=40), st.text(max_size=40), max_size=4))
def test_every_tag_that_is_read_can_be_filtered_by(tags):
    """And a filter on it means this tag and this value, not their opposite and not another's."""
    assert MOST_CHARACTERS == LONGEST_VALUE
    for key, value in json.loads(TagReader().read(json.dumps(tags)) or "{}").items():
        if not value:
            continue
        query = QueryDict(mutable=True)
        query[f"tag:{key}"] = value
        form = CostQueryForm(query, catalog=Catalog())
        assert form.is_valid(), form.problems()
        (found,) = form.query().filters
        assert (found.dimension, found.values, found.exclude) == (f"tag:{key}", (value,), False)
