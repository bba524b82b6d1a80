"""The explorer's question without a browser: what is chosen, what is in force, and what swaps."""

from __future__ import annotations

import gzip
import re
from datetime import date
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.contrib.staticfiles import finders
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from costcenters.catalog import Catalog
from costcenters.cost_query import NO_VALUE, encode
from costcenters.dimensions import DIMENSIONS
from costcenters.explorer_page.controls import controls, values_url
from costcenters.models import SavedView
from costcenters.query_form import CostQueryForm
from tests.factories import CostCenterFactory, DailyCostFactory, TagSetFactory, UserFactory

pytestmark = pytest.mark.django_db

LINK = {"HX-Request": "true", "HX-Target": "explorer"}
FORM = {"HX-Request": "true", "HX-Target": "report"}
HOSTILE = [
    "a\"b'c",
    "a&b=c",
    "<script>x</script>",
    "50 % + 1#?/",
    "ü 名 \u202e",
    "x" * 254,
    "a,b",
    "(nobody)",
]


class Fields(HTMLParser):
    """What a browser would send of the form `query`: the fields in it, and those that name it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.pairs: list[tuple[str, str]] = []
        self.inside = self.in_noscript = False
        self.select = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.inside = given.get("id") == "query"
        self.in_noscript = self.in_noscript or tag == "noscript"
        name = given.get("name") or ""
        if self.in_noscript or not (given.get("form") == "query" or (self.inside and "form" not in given)):
            return
        if tag == "select":
            self.select = name
        elif tag == "option" and "selected" in given:
            self.pairs.append((self.select, given.get("value") or ""))
        elif tag == "input" and (given.get("type") not in ("radio", "checkbox") or "checked" in given):
            self.pairs.append((name, given.get("value") or ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        if tag == "noscript":
            self.in_noscript = False


def asked(text: str):
    form = CostQueryForm(QueryDict(text), catalog=Catalog(today=date(2026, 11, 21)))
    assert form.is_valid(), form.errors
    return form.query(), form.presentation()


STATES = [
    "preset=30d",
    "start=2026-11-01&end=2026-11-20&granularity=week&group_by=user&group_by=tag:team",
    "preset=mtd&measure=savings&top=0&compare=year&complete=1&sort=-change&chart=lines",
    "preset=7d&group_by=seat_activity&user=(none)&user!=b&tag:team=x&view=7&chart=table&top=33",
    "preset=12m&" + urlencode([("user", value) for value in HOSTILE]),
]


@pytest.mark.parametrize("text", STATES)
def test_the_form_sends_the_question_that_it_shows(viewer, text):
    TagSetFactory(tags={"team": "x"})

    sent = Fields(viewer.get(f"/explorer/?{text}&page=3").text).pairs

    query, presentation = asked(text)
    assert asked(urlencode([pair for pair in sent if pair[1]])) == (query, presentation)
    assert "page" not in dict(sent)


@given(
    values=st.lists(
        st.text(min_size=1, max_size=40).filter(lambda s: s.strip() and "\x00" not in s), max_size=6
    )
)
def test_values_survive_the_way_through_the_controls(values):
    values = [value.encode("utf-8", "ignore").decode() or "x" for value in values]
    text = urlencode([("user", value) for value in values] + [("model!", "m")])
    form = CostQueryForm(QueryDict(text), catalog=Catalog({}, today=date(2026, 11, 21)))
    assert form.is_valid()
    query, presentation = form.query(), form.presentation()

    catalog = Catalog({})
    catalog.tag_keys = []
    shown = controls(form, query, presentation, catalog)

    assert asked(urlencode(shown.kept))[0].filters == query.filters
    [model] = [group for group in shown.chips if group.chips[0].text.startswith("Model is not")]
    assert asked(urlsplit(model.chips[0].remove_url).query)[0].filters == query.filters[1:]


def test_all_dimensions_and_tags_can_be_grouped_by_and_filtered(viewer):
    TagSetFactory(tags={"team": "x"})
    text = viewer.get("/explorer/").text
    for key in [*DIMENSIONS, "tag:team"]:
        assert text.count(f'<option value="{key}"') == 2, key
        assert f'data-dimension="{key}"' in text


def test_many_tags_are_folded(viewer):
    TagSetFactory(tags={f"tag{n:02}": "x" for n in range(20)})
    text = viewer.get("/explorer/").text
    assert "14 more tags" in text
    assert text.count('data-dimension="tag:') == 20


def test_weeks_say_where_they_start(viewer):
    assert '<option value="week">Week (from Monday)</option>' in viewer.get("/explorer/").text


def test_a_currency_is_asked_for_only_where_there_are_more(viewer):
    DailyCostFactory()
    assert 'name="currency"' not in viewer.get("/explorer/").text
    CostCenterFactory(name="Euro", currency="EUR")
    assert 'name="currency"' in viewer.get("/explorer/").text


def test_a_filter_has_a_chip_that_removes_and_one_that_excludes(viewer):
    text = unescape(viewer.get("/explorer/?user=a&model!=b&chart=lines&page=2").text)
    assert "User is a" in text
    assert "Model is not b" in text
    assert 'href="/explorer/?preset=30d&model!=b&chart=lines"' in text
    assert 'href="/explorer/?preset=30d&model!=b&user!=a&chart=lines"' in text
    assert 'href="/explorer/?preset=30d&chart=lines"' in text
    assert '<input type="hidden" form="query" name="user" value="a">' in text


def test_many_values_of_a_filter_are_one_chip(viewer):
    users = "&".join(f"user=u{n}" for n in range(12))
    text = unescape(viewer.get(f"/explorer/?{users}&model=m").text)
    assert "<summary>User is one of 12</summary>" in text
    assert 'href="/explorer/?preset=30d&model=m" aria-label="Remove filter User is one of 12"' in text
    assert text.count('name="user" value="u') == 12


def test_starting_over_does_not_lead_to_the_default_view(viewer):
    text = viewer.get("/explorer/?user=a").text
    assert re.search(r'id="start-over" href="/explorer/\?preset=30d"', text)


def test_a_form_change_gets_the_report_and_its_address(viewer):
    DailyCostFactory()
    address = "/explorer/?user=&group_by=model&preset=7d&measure=billed&chart=lines&page=4"
    response = viewer.get(address, headers=FORM)
    assert "<html" not in response.text
    assert 'id="query"' not in response.text
    assert 'id="filters"' in response.text
    assert response.text.count("hx-swap-oob") == 3
    assert response["HX-Push-Url"] == "/explorer/?preset=7d&group_by=model&chart=lines&page=4"
    assert {"HX-Request", "HX-Target"} <= {name.strip() for name in response["Vary"].split(",")}


def test_a_link_gets_the_controls_too(viewer):
    response = viewer.get("/explorer/?group_by=model", headers=LINK)
    assert "<html" not in response.text
    assert 'id="query"' in response.text
    assert 'id="report"' in response.text
    assert '<option value="model" selected>' in response.text


def test_an_address_that_is_shown_is_not_pushed_again(viewer):
    here = {"HX-Current-URL": "http://testserver/explorer/?preset=30d&group_by=model"}
    response = viewer.get("/explorer/?preset=30d&group_by=model&measure=billed", headers=FORM | here)
    assert response["HX-Push-Url"] == "false"


def test_an_address_that_is_none_is_no_trouble(viewer):
    headers = LINK | {"HX-Current-URL": "http://[::1"}
    response = viewer.get("/explorer/?group_by=model", headers=headers)
    assert response["HX-Push-Url"] == "/explorer/?preset=30d&group_by=model"


def test_history_is_restored_with_the_whole_page(viewer):
    headers = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "<html" in viewer.get("/explorer/", headers=headers).text


@pytest.mark.parametrize("headers", [{}, FORM, LINK])
def test_a_mistake_is_named_and_what_was_typed_is_kept(viewer, headers):
    text = "granularity=hour&user=a&foo=%3Cb%3E&start=2026-02-30&end=2026-03-01&sort=size"
    response = viewer.get(f"/explorer/?{text}", headers=headers)
    assert response.status_code == 400
    for kept in ("<code>granularity</code>", "<code>start</code>", "<code>foo</code>", 'value="&lt;b&gt;"'):
        assert kept in response.text
    if headers != FORM:
        assert '<option value="hour" selected>' in response.text
        assert 'name="start" value="2026-02-30"' in response.text
    assert 'name="sort"' not in response.text, "no control could mend it"
    if headers:
        pushed = parse_qsl(urlsplit(response["HX-Push-Url"]).query)
        assert ("granularity", "hour") in pushed
        assert ("foo", "<b>") in pushed


def test_the_explorer_opens_with_my_default_view(client, at_now):
    user = UserFactory(role="Viewer")
    client.force_login(user)
    view = SavedView.objects.create(owner=user, name="Mine", query="preset=7d&group_by=user", is_default=True)

    assert client.get("/explorer/").url == view.get_absolute_url()
    assert client.get("/explorer/?preset=30d").status_code == 200
    assert client.get(view.get_absolute_url(), follow=True).status_code == 200


def values(response) -> list[tuple[str, str]]:
    """Each listed value and its name."""
    found = re.findall(r'type="checkbox" value="([^"]*)"[^>]*><span class="name">([^<]*)', response.text)
    return [(unescape(value), unescape(name).strip()) for value, name in found]


def test_a_picker_lists_values_with_amounts_and_counts(viewer):
    DailyCostFactory(user="b", billed_cost=2, line_items=3)
    DailyCostFactory(user="a", billed_cost=5, line_items=1)
    DailyCostFactory(user="", billed_cost=1, line_items=1)

    response = viewer.get("/explorer/values/user/")

    assert values(response) == [("a", "a"), ("b", "b"), (NO_VALUE, "No user")]
    assert "3 values" in response.text
    assert ">$5.00</span>" in response.text
    assert "autofocus" in response.text


def test_a_picker_counts_what_the_other_filters_leave(viewer):
    DailyCostFactory(user="a", model="m")
    DailyCostFactory(user="b", model="n")

    response = viewer.get("/explorer/values/user/?user=a&model=n&user!=&chart=lines&sort=value&view=3")

    assert values(response) == [("a", "a"), ("b", "b")]
    assert re.search(r'value="a" data-value checked', response.text)


def test_a_picker_says_what_is_excluded(viewer):
    DailyCostFactory(user="a")
    assert 'value="!" data-mode checked' in viewer.get("/explorer/values/user/?user!=a").text
    both = viewer.get("/explorer/values/user/?user!=a&user=b").text
    assert 'value="" data-mode checked' in both
    assert '<span class="badge">excluded</span>' in both


def test_values_are_searched_and_paged_by_the_server(viewer):
    for n in range(60):
        DailyCostFactory(user=f"user{n:02}", billed_cost=100 - n)

    found = viewer.get("/explorer/values/user/?q=USER5")
    assert [value for value, _ in values(found)] == [f"user{n}" for n in range(50, 60)]
    assert 'type="search"' not in found.text

    first = viewer.get("/explorer/values/user/?preset=7d")
    more = re.search(r'hx-get="([^"]+)" hx-target="closest li"', first.text)
    assert more
    rest = viewer.get(f"{unescape(more[1])}&preset=7d")
    assert [value for value, _ in values(first)] == [f"user{n:02}" for n in range(50)]
    assert [value for value, _ in values(rest)] == [f"user{n}" for n in range(50, 60)]
    assert "Show more" not in rest.text
    assert viewer.get("/explorer/values/user/?q=nobody").text.count("<li>") == 0


@pytest.mark.parametrize(
    "text", ["offset=-1", "offset=x", "offset=²", "q=%00", "offset=99999999999999", "q=" + "x" * 5000]
)
def test_a_picker_bears_odd_pages_and_searches(viewer, text):
    DailyCostFactory()
    assert viewer.get(f"/explorer/values/model/?{text}").status_code == 200


@pytest.mark.parametrize("tag", ["team", "a/b", "x&y=z", "50 %", "q", "a:b", "ä"])
def test_a_tag_has_a_picker_whatever_its_name(viewer, tag):
    DailyCostFactory(tag_set=TagSetFactory(tags={tag: "v"}))
    assert values(viewer.get(values_url(f"tag:{tag}"))) == [("v", "v")]
    text = viewer.get("/explorer/?" + encode([(f"tag:{tag}", "v")])).text
    assert "is v</a>" in text


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_come_back_as_they_are(viewer, value):
    DailyCostFactory(user=value)
    assert values(viewer.get("/explorer/values/user/")) == [(value, value)]
    chosen = viewer.get("/explorer/", {"user": value})
    assert ("user", value) in Fields(chosen.text).pairs
    assert f'value="{value}"' not in chosen.text or not set(value) & set("\"'<&")


def test_there_are_no_values_of_what_is_no_dimension(viewer):
    for key in ("nonsense", "tag:", "user!", "../explorer"):
        assert viewer.get(f"/explorer/values/{key}/").status_code == 404


def test_a_picker_says_what_is_wrong_with_the_question(viewer):
    response = viewer.get("/explorer/values/user/?granularity=hour")
    assert response.status_code == 400
    assert "<code>granularity</code>" in response.text
    assert viewer.get("/explorer/values/user/?" + "&".join(["user=a"] * 10_000)).status_code == 400


def test_a_picker_needs_few_queries(viewer, django_assert_max_num_queries):
    for n in range(30):
        DailyCostFactory(user=f"u{n}")
    viewer.get("/explorer/values/user/")
    with django_assert_max_num_queries(8):
        viewer.get("/explorer/values/user/?group_by=model&user=u1")


def test_without_scripts_every_dimension_can_be_typed(viewer):
    CostCenterFactory(name="Cursor")
    text = viewer.get("/explorer/").text
    plain = " ".join(re.findall(r"<noscript>(.*?)</noscript>", text, re.DOTALL))
    for key in DIMENSIONS:
        assert f'name="{key}" form="query"' in plain
    assert '<option value="Cursor">' in plain
    assert 'form="query">Apply</button>' in plain
    assert 'href="/explorer/?group_by=user&amp;top=0"' in plain


def test_the_first_page_is_small(viewer):
    """What travels of our own before the chart library and htmx; style and scripts are served compressed."""
    for n in range(80):
        DailyCostFactory(user=f"somebody.with.a.name{n}@example.com", day=date(2026, 11, 1 + n % 20))
    TagSetFactory(tags={"env": "production", "team": "platform"})
    page = viewer.get("/explorer/?group_by=user").text

    own = [name for name in re.findall(r'(?:src|href)="/static/([^"]+\.(?:js|css))"', page) if "/" in name]
    own = [name for name in own if not name.startswith(("chartkick/", "django_htmx/"))]
    assert {"css/app.css", "js/explorer.js", "js/chart.js"} <= set(own)
    sizes = {name: len(gzip.compress(Path(str(finders.find(name))).read_bytes())) for name in own}
    assert len(page.encode()) + sum(sizes.values()) < 100_000, (len(page.encode()), sizes)


def test_hundreds_of_values_of_one_filter_keep_the_page_light(viewer):
    DailyCostFactory(user="u7")
    values = "&".join(f"user=u{n}" for n in range(400))
    response = viewer.get(f"/explorer/?{values}")
    assert "User is one of 400" in response.text
    assert len(response.content) < 300_000
